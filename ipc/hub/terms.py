"""The terms of a subscription: its condition ``where`` and its shape ``select``, compiled.

Equal ones are one object in a process, so what one subscription's condition makes of an event is known for all that
have the same.
"""

import logging
import time
from dataclasses import dataclass, field, replace
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from ipc.hub.counters import Counters
from ipc.jsonlex import JSONLexError, Limits, Predicate, Projection, compile_select, compile_where
from ipc.protocol.codes import ErrorCode

logger = logging.getLogger(__name__)

LIMITS: Final = Limits(nodes=1_000, steps=2_500, result_bytes=256 * 1024)
"""What a condition or a shape may cost for one event. The worst that is known takes 0.8 ms."""
MAX_BYTES: Final = 8 * 1024
MAX_FILTERED: Final = 16
"""How many subscriptions of a session may have a condition or a shape."""
LOG_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Condition:
    """A ``where``: what was asked for, and as it is evaluated."""

    expression: Any
    predicate: Predicate


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Shape:
    """A ``select``: what was asked for, and as it is evaluated."""

    expression: Any
    projection: Projection


@dataclass(slots=True, eq=False)
class Terms:
    """What one ``subscribe`` asked for besides patterns; failures are counted for it alone.

    Args:
        where: chooses events, all if there is none.
        select: shapes their data.
        owner: who has asked, for the log.
        counters: of the hub.

    """

    where: Condition | None = None
    select: Shape | None = None
    owner: str = ""
    counters: Counters = field(default_factory=Counters, repr=False)
    failures: int = 0
    _log_at: float = field(default=0.0, repr=False)

    @property
    def where_json(self) -> str:
        """The condition as JSON, empty where there is none."""
        return "" if self.where is None else msgspec.json.encode(self.where.expression).decode()

    @property
    def select_json(self) -> str:
        """The shape as JSON, likewise."""
        return "" if self.select is None else msgspec.json.encode(self.select.expression).decode()

    @property
    def is_plain(self) -> bool:
        """Whether every event is wanted, as it is."""
        return self.where is None and self.select is None

    def failed(self, what: str, event: str, error: JSONLexError) -> None:
        """Take note that the condition or the shape could not be evaluated on an event; once a minute it is logged."""
        self.failures += 1
        self.counters.filters_failed += 1
        now = time.monotonic()
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY_S
            logger.warning(
                "the %s of %s fails on %s, %d failures so far: %s", what, self.owner, event, self.failures, error
            )


PLAIN: Final = Terms()

_conditions: Final[WeakValueDictionary[bytes, Condition]] = WeakValueDictionary()
_shapes: Final[WeakValueDictionary[tuple[bytes, int], Shape]] = WeakValueDictionary()


def terms_of(
    where: Any,
    select: Any,
    *,
    owner: str = "",
    counters: Counters | None = None,
    result_bytes: int = LIMITS.result_bytes,
) -> Terms:
    """Compile a condition and a shape, each None where there is none.

    Args:
        where: JSONLex, with or without the wrapper.
        select: likewise.
        owner: who asks, for the log.
        counters: of the hub.
        result_bytes: how much JSON the shape may give.

    Raises:
        JSONLexError: what is wrong, with the pointer, and in ``details.in`` whether it is in ``where`` or ``select``.

    """
    if where is None and select is None:
        return PLAIN
    return Terms(
        None if where is None else _compiled("where", where, _condition),
        None if select is None else _compiled("select", select, lambda value: _shape(value, result_bytes)),
        owner,
        counters or Counters(),
    )


def _compiled(name: str, value: Any, compile_it: Any) -> Any:
    try:
        return compile_it(value)
    except JSONLexError as error:
        error.details = {**(error.details or {}), "in": name}
        raise


def _condition(value: Any) -> Condition:
    content = _content(value)
    if (found := _conditions.get(content)) is None:
        found = Condition(value, compile_where(value, LIMITS))
        _conditions[content] = found
    return found


def _shape(value: Any, result_bytes: int) -> Shape:
    content = _content(value)
    if (found := _shapes.get((content, result_bytes))) is None:
        found = Shape(value, compile_select(value, replace(LIMITS, result_bytes=result_bytes)))
        _shapes[content, result_bytes] = found
    return found


def _content(value: Any) -> bytes:
    # What cannot be written is refused by the compiler, which says where it is.
    try:
        content = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError):
        compile_select(value, LIMITS)
        raise
    if len(content) > MAX_BYTES:
        raise JSONLexError(
            f"the JSON of a condition or a shape has at most {MAX_BYTES} bytes, this has {len(content)}",
            code=ErrorCode.JSONLEX_TOO_LARGE,
            pointer="",
            limit=MAX_BYTES,
        )
    return content
