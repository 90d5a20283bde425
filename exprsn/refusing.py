"""How a server that is started without ``manage.py`` ends where its settings are wrong."""

import contextlib
import sys
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured


@contextlib.contextmanager
def said_in_one_sentence() -> Iterator[None]:
    """End the process with the sentence that says what is wrong, as ``manage.py`` does, and the exit code 1.

    Raises:
        SystemExit: a setting is wrong. `manage.py check --traceback` has all of it.

    """
    try:
        yield
    except ImproperlyConfigured as error:
        sys.exit(f"exprsn.asgi: {error}")
