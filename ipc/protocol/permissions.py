"""What a session may do: ``emit:<pattern>``, ``subscribe:<pattern>``, ``call:<resource>.<op>``, ``serve:<resource>``,
``jsonlex``, ``state``, or ``*`` for everything. A resource or an operation may be ``*``, as in ``call:posts.*``.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, ForbiddenError
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.services import full_name

Verb = Literal["emit", "subscribe", "call", "serve", "jsonlex", "state"]
USUAL: Final = ("emit:*", "subscribe:*", "call:*", "serve:*", "jsonlex", "state")
"""Everything that a service does, but not ``*``, which is for who operates the mesh."""
MAX_PERMISSIONS: Final = 256
_ON_EVENTS: Final = frozenset({"emit", "subscribe"})
_RESOURCE: Final = r"(?:\*|[A-Za-z][A-Za-z0-9_\-]{0,127})"
_FORMS: Final = {
    "call": re.compile(rf"\*|{_RESOURCE}\.(?:\*|[A-Za-z][A-Za-z0-9_]{{0,127}})"),
    "serve": re.compile(_RESOURCE),
}
_ON_NOTHING: Final = frozenset({"*", "jsonlex", "state"})


def check_permissions(permissions: Sequence[str]) -> None:
    """Refuse what are no permissions, such as ones with a letter that only looks like another.

    Raises:
        BadMessageError: INVALID_PATTERN, with the first that is none, or that there are too many.

    """
    if len(permissions) > MAX_PERMISSIONS:
        raise _wrong(f"there are {len(permissions)}, and at most {MAX_PERMISSIONS} are allowed")
    for permission in permissions:
        verb, _, pattern = permission.partition(":")
        if verb in _ON_EVENTS:
            compile_pattern(pattern)
        elif permission not in _ON_NOTHING and not (verb in _FORMS and _FORMS[verb].fullmatch(pattern)):
            raise _wrong(
                f"{permission[:64]!r} is no permission: write emit:<pattern>, subscribe:<pattern>, "
                "call:<resource>.<op>, serve:<resource>, jsonlex, state, or * for everything"
            )


@lru_cache(maxsize=8)
def permissions_table(text: str) -> dict[str, tuple[str, ...]]:
    """Return the permissions of services, by their full names, from a JSON object such as ``{"spark": ["emit:*"]}``.

    Raises:
        BadMessageError: it is none, or has a service or a permission that is none.

    """
    try:
        found = msgspec.json.decode(text or "{}", type=dict[str, list[str]])
    except msgspec.DecodeError as error:
        raise BadMessageError(f"write a JSON object of lists, by the names of services: {error}") from error
    for permissions in found.values():
        check_permissions(permissions)
    return {full_name(service): tuple(permissions) for service, permissions in found.items()}


def _wrong(message: str) -> BadMessageError:
    return BadMessageError(message, code=ErrorCode.INVALID_PATTERN)


@lru_cache(maxsize=8192)
def is_allowed(permissions: frozenset[str], verb: Verb, name: str) -> bool:
    """Tell whether the permissions cover the verb on a name: of an event, a resource, or ``<resource>.<op>``; a verb
    that is on nothing has an empty one.

    For ``subscribe`` the name may be a pattern; it is covered when a permission is that same pattern, or matches it
    with every ``*`` of the asked pattern standing for itself.
    """
    for permission in permissions:
        if permission == "*":
            return True
        allowed_verb, _, pattern = permission.partition(":")
        if allowed_verb == verb and (pattern in {"*", name} or _covers(verb, pattern, name)):
            return True
    return False


def _covers(verb: Verb, pattern: str, name: str) -> bool:
    if verb in _ON_EVENTS:
        return compile_pattern(pattern)(name)
    if verb == "call":
        resource, _, op = pattern.partition(".")
        asked_resource, _, asked_op = name.partition(".")
        return resource in {"*", asked_resource} and op in {"*", asked_op}
    return False


def check_permission(permissions: frozenset[str], verb: Verb, name: str) -> None:
    """Refuse a verb on a name that the permissions do not cover.

    Raises:
        ForbiddenError: FORBIDDEN, naming the permission that would be needed.

    """
    if not is_allowed(permissions, verb, name):
        needed = f"{verb}:{name}" if name else verb
        raise ForbiddenError(f"this session lacks the permission {needed}", details={"needed": needed})
