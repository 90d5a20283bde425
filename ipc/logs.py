"""Lines of the log in one format for all loggers of a process, libraries' too: for people, or JSON for machines.

Each line says which session, event and trace it is about, where that is known. It needs structlog, which nothing else
of this library does.
"""

import logging
import logging.config
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from structlog.typing import EventDict, WrappedLogger

from ipc.protocol.errors import UnknownServiceError
from ipc.protocol.services import full_name
from ipc.tracing.scope import facts

HUMAN: Final = "human"
JSON: Final = "json"
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS: Final = (HUMAN, JSON)
# For people: enough to find the other lines. An event's id is whole, to ask what became of it.
_SHORT: Final = {"event_id": slice(None), "trace_id": slice(8), "session": slice(-8, None)}

# What a client sent may be in a line, and must not begin another one or steer a terminal: control characters of
# ECMA-48, what Unicode counts as ends of lines, and what turns the direction of text.
_HIDDEN: Final = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE: Final = {code: ascii(chr(code))[1:-1] for code in _HIDDEN}


def configure(service: str) -> None:
    """Have this process log to stderr as LOG_FORMAT and LOG_LEVEL say; a Django project has its settings for that.

    Raises:
        ValueError: LOG_FORMAT or LOG_LEVEL is none that there is.

    """
    in_development = os.environ.get("EXPRSN_ENV", "production") == "development"
    log_format = os.environ.get("LOG_FORMAT") or (HUMAN if in_development else JSON)
    # It has a line for each request, such as for a token every few minutes.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format, service))
    logging.basicConfig(level=level("LOG_LEVEL", os.environ.get("LOG_LEVEL") or "INFO"), handlers=[handler], force=True)


def level(variable: str, value: str) -> str:
    """Return the level of logs that a variable names, in small letters or capitals.

    Raises:
        ValueError: there is no such level.

    """
    if value.upper() not in LEVELS:
        raise ValueError(f"{variable} is {', '.join(LEVELS[:-1])} or {LEVELS[-1]}, not {value!r}")
    return value.upper()


def formatter(log_format: str, service: str) -> logging.Formatter:
    """Return what makes lines of the records of any logger; `logging.config` calls it by its name.

    Raises:
        ValueError: there is no such format.

    """
    if log_format not in FORMATS:
        raise ValueError(f"LOG_FORMAT is {' or '.join(FORMATS)}, not {log_format!r}")
    line = _human if log_format == HUMAN else structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        processors=[_members_of(_known_name(service)), structlog.processors.format_exc_info, line]
    )


def _members_of(service: str) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """Return what makes the members of a line from a record, the same for both formats."""

    def members(_logger: WrappedLogger, _method: str, given: EventDict) -> EventDict:
        record: logging.LogRecord = given["_record"]
        made: dict[str, Any] = {
            "timestamp": _iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "service": service,
            "message": given["event"],
            **facts(),
        }
        told = {"exc_info": given.get("exc_info"), "stack": given.get("stack_info")}
        made.update({name: value for name, value in told.items() if value})
        return made

    return members


def _human(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    """Write a line for people; what is below it belongs to it, and is set in."""
    at = datetime.fromisoformat(line["timestamp"]).astimezone()
    words = [
        f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
        f"{line['level'].upper():<7}",
        f"{line['logger']}: {line['message']}",
        *(f" {name.removesuffix('_id')}={line[name][part]}" for name, part in _SHORT.items() if name in line),
    ]
    below = [text for name in ("stack", "exception") for text in line.get(name, "").splitlines()]
    return "\n    ".join(text.translate(_VISIBLE) for text in (" ".join(words), *below))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _known_name(service: str) -> str:
    """Return the full name of a service; one that is wrong is for others to refuse, with a line of the log."""
    try:
        return full_name(service)
    except UnknownServiceError:
        return service
