"""Who gets an event: the one decision, made from plain values.

An event without a target, or with the target ``broadcast``, goes to the log ``broadcast``; one for a service, or for a
list of services, goes to each service's own log. A session hears the broadcast log and the log of its service.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ipc.protocol.errors import UnknownServiceError, UnknownTargetError
from ipc.protocol.services import full_name

BROADCAST: Final = "broadcast"
MAX_TARGETS: Final = 32

Target = str | Sequence[str] | None


@lru_cache(maxsize=256)
def _log_of(target: str) -> str:
    if target == BROADCAST:
        return BROADCAST
    try:
        return full_name(target)
    except UnknownServiceError as error:
        raise UnknownTargetError(f"unknown target: {error.message}") from None


def logs_of_target(target: Target) -> tuple[str, ...]:
    """Return the logs that an event for ``target`` is appended to, each once, in the order given.

    Raises:
        UnknownTargetError: a name in it is neither a service nor ``broadcast``, or the list is empty or too long.

    """
    if target is None:
        return (BROADCAST,)
    if isinstance(target, str):
        return (_log_of(target),)
    if not 0 < len(target) <= MAX_TARGETS:
        raise UnknownTargetError(f"a list of targets has 1 to {MAX_TARGETS} names, this one has {len(target)}")
    logs = tuple(dict.fromkeys(_log_of(name) for name in target))
    # The broadcast log reaches every service already; a second copy would be delivered twice.
    return (BROADCAST,) if BROADCAST in logs else logs


@lru_cache(maxsize=256)
def logs_of_service(service: str) -> tuple[str, str]:
    """Return the logs that the sessions of a service (by full name) hear."""
    return (BROADCAST, service)


def own_log(service: str, group: str) -> str:
    """Return the log that only one group of a service hears: dead letters that are to be delivered to it again."""
    return f"{service}/{group}"


def is_own_log(log: str) -> bool:
    """Tell whether a log is a group's own; everything in it is for that group, so what is done can be dropped."""
    return "/" in log


@lru_cache(maxsize=1024)
def logs_of_group(service: str, group: str) -> tuple[str, ...]:
    """Return the logs that a group of a service hears."""
    return (*logs_of_service(service), own_log(service, group))
