"""The programs of callers: JSONLex that the owner of a resource evaluates, with a context of its own."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from ipc.jsonlex import JSONLexError, Limits, evaluate

PROGRAM_LIMITS: Final = Limits(nodes=2_000, steps=20_000, result_bytes=256 * 1024)
"""What the program of a caller may cost. The worst that is known takes 7 ms, compiling it included, on a machine whose
two cores are busy; with the limits of other expressions it would be 90, and an owner has other calls to answer."""
CALL: Final = "call"
"""The member of the context with the facts of the call, which no owner can replace."""

C = TypeVar("C")
OwnContext = Mapping[str, Any] | Callable[[C], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]
"""What an owner lets programs see: the same for all calls, or made for each from what came with it."""


def check_own_context(context: object) -> None:
    """Refuse what cannot be the context of an owner.

    Raises:
        TypeError: it is neither a mapping nor a function, or has the member ``call``.

    """
    if not isinstance(context, Mapping) and not callable(context):
        raise TypeError(f"jsonlex_context is a mapping, or a function of the call's context, not {context!r}")
    if isinstance(context, Mapping) and CALL in context:
        raise TypeError(f"jsonlex_context has no member {CALL!r}: the facts of the call are there")


async def program_context(own: OwnContext[C], call: C, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a program may see: the owner's values, and in ``call`` the facts of the call with ``now_ms``."""
    values = own if isinstance(own, Mapping) else own(call)
    if inspect.isawaitable(values):
        values = await values
    return {**values, CALL: {**facts, "now_ms": time.time_ns() // 1_000_000}}


class Programs:
    """Evaluates programs one at a time, and lets the event loop have a turn after each."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def value_of(self, name: str, value: Any, context: Mapping[str, Any]) -> Any:
        """Return what a program gives; a value that is no program is returned as it is.

        Args:
            name: the member of the call that it is, for the error.
            value: what the caller has sent.
            context: as `program_context` makes it.

        Raises:
            JSONLexError: the program is wrong or costs too much; ``details`` has the member ``in`` as well.

        """
        async with self._turn:
            try:
                return evaluate(value, context, PROGRAM_LIMITS).value
            except JSONLexError as error:
                error.details = {**(error.details or {}), "in": name}
                raise
            finally:
                await asyncio.sleep(0)
