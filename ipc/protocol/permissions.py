"""What a session may do: ``emit:<pattern>``, ``subscribe:<pattern>``, or ``*`` for everything."""

from functools import lru_cache
from typing import Literal

from ipc.protocol.errors import ForbiddenError
from ipc.protocol.patterns import compile_pattern

Verb = Literal["emit", "subscribe"]


@lru_cache(maxsize=8192)
def is_allowed(permissions: frozenset[str], verb: Verb, name: str) -> bool:
    """Tell whether the permissions cover the verb on an event name.

    For ``subscribe`` the name may be a pattern; it is covered when a permission is that same pattern, or matches it
    with every ``*`` of the asked pattern standing for itself.
    """
    for permission in permissions:
        if permission == "*":
            return True
        allowed_verb, _, pattern = permission.partition(":")
        if allowed_verb == verb and (pattern in {"*", name} or compile_pattern(pattern)(name)):
            return True
    return False


def check_permission(permissions: frozenset[str], verb: Verb, name: str) -> None:
    """Refuse a verb on a name that the permissions do not cover.

    Raises:
        ForbiddenError: FORBIDDEN, naming the permission that would be needed.

    """
    if not is_allowed(permissions, verb, name):
        raise ForbiddenError(f"this session lacks the permission {verb}:{name}", details={"needed": f"{verb}:{name}"})
