"""What a session may do: ``emit:<pattern>``, ``subscribe:<pattern>``, ``call:<resource>.<op>``, ``serve:<resource>``,
or ``*`` for everything. A resource or an operation may be ``*``, as in ``call:posts.*``.
"""

from functools import lru_cache
from typing import Final, Literal

from ipc.protocol.errors import ForbiddenError
from ipc.protocol.patterns import compile_pattern

Verb = Literal["emit", "subscribe", "call", "serve", "jsonlex", "state"]
_ON_EVENTS: Final = frozenset({"emit", "subscribe"})


@lru_cache(maxsize=8192)
def is_allowed(permissions: frozenset[str], verb: Verb, name: str) -> bool:
    """Tell whether the permissions cover the verb on a name: of an event, a resource, or ``<resource>.<op>``.

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
        raise ForbiddenError(f"this session lacks the permission {verb}:{name}", details={"needed": f"{verb}:{name}"})
