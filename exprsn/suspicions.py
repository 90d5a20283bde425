"""What Django says of requests that no honest client makes, such as one for a host that is not ours: one line each.

It says so as an error with a traceback of thirty lines, and anybody can have it say so as often as they like.
"""

import logging
from typing import Final

SUSPICIONS: Final = "django.security."
"""How the loggers of `SuspiciousOperation` begin (Django documentation, "Logging")."""


class WithoutTraceback(logging.Filter):
    """Takes the traceback off such a line, and makes a warning of it: a request was refused, and nothing is broken."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record; nothing is held back."""
        if record.name.startswith(SUSPICIONS):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        return True
