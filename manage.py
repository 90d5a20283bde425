#!/usr/bin/env python
"""Run a management command of the project."""

import gc
import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Hand the command line to Django; a setting that is wrong is one sentence, or with ``--traceback`` all of it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exprsn.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    # What is imported stays: looking through it for what does not is a fourteenth of what starting takes.
    gc.set_threshold(50_000, 20, 20)
    try:
        main()
    except ModuleNotFoundError as error:
        if sys.prefix != sys.base_prefix:
            # In an environment where it should be: whoever develops wants to see from where.
            raise
        sys.exit(f"{sys.executable} has no {error.name}: run `make run` once, then use .venv/bin/python manage.py")
    except KeyboardInterrupt:
        print("stopped; run it again to go on", file=sys.stderr)  # noqa: T201 - a program's own output
        sys.exit(INTERRUPTED)
