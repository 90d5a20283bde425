"""Compiled expressions: whole ones, the conditions of ``where``, and the shapes of ``select``."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from ipc.jsonlex.code import Code, Frame, constant, too_costly
from ipc.jsonlex.compiler import Compiler
from ipc.jsonlex.errors import JSONLexError, child, invalid
from ipc.jsonlex.limits import DEFAULT_LIMITS, Limits
from ipc.jsonlex.operators.logic import condition
from ipc.jsonlex.results import own, written
from ipc.jsonlex.shape import check_shape

WRAPPER: Final = "__jsonlex"
CACHED_PROGRAMS: Final = 1_024
CACHED_BYTES: Final = 8 * 1024
"""Expressions of more JSON than this are compiled each time, so the cache holds at most 8 MiB of them."""


class Result(NamedTuple):
    """What an expression gave, and how many steps it took."""

    value: Any
    cost: int


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression, which may be evaluated any number of times and from several threads at once."""

    code: Code
    frame_size: int = 1
    plain: bool = False
    """Whether it was no expression: a value without the wrapper, which is returned as it is."""

    def evaluate(self, context: Any = None, limits: Limits = DEFAULT_LIMITS) -> Result:
        """Evaluate with a context, which is JSON as Python has it.

        Raises:
            JSONLexError: JSONLEX_TYPE, JSONLEX_RANGE, JSONLEX_TOO_DEEP, JSONLEX_TOO_COSTLY or JSONLEX_RESULT_TOO_LARGE.

        """
        if self.plain:
            return Result(self.code.value, 0)
        frame = self.start(limits)
        value = self.code.run(context, frame)
        return Result(own(value, limits), limits.steps - frame[0])

    def evaluate_each(self, contexts: Iterable[Any], limits: Limits = DEFAULT_LIMITS) -> list[Result | JSONLexError]:
        """Evaluate with each of several contexts; one that fails gives its error and does not disturb the others."""
        return [self._attempt(context, limits) for context in contexts]

    def start(self, limits: Limits) -> Frame:
        """Return the frame of one evaluation, with the steps that are certain taken.

        Raises:
            JSONLexError: JSONLEX_TOO_COSTLY, the expression alone has more.

        """
        steps = limits.steps - self.code.cost
        if steps < 0:
            raise too_costly("the expression", "")
        return [steps] if self.frame_size == 1 else [steps] + [None] * (self.frame_size - 1)

    def _attempt(self, context: Any, limits: Limits) -> Result | JSONLexError:
        try:
            return self.evaluate(context, limits)
        except JSONLexError as error:
            return error


@dataclass(frozen=True, slots=True)
class Predicate:
    """A compiled ``where``."""

    matches: Callable[[Any], bool]
    """Tells whether the condition holds for a context. Raises JSONLexError as `Program.evaluate` does."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A compiled ``select``."""

    program: Program
    limits: Limits = DEFAULT_LIMITS

    def shape(self, context: Any) -> Any:
        """Return what the expression makes of a context. Raises JSONLexError as `Program.evaluate` does."""
        return self.program.evaluate(context, self.limits).value

    def encode(self, context: Any) -> bytes:
        """Return the same as JSON, for a context that was decoded from JSON.

        Raises:
            JSONLexError: as `Program.evaluate` does.

        """
        frame = self.program.start(self.limits)
        return written(self.program.code.run(context, frame), self.limits, steps=self.limits.steps - frame[0])


def compile_expression(value: Any, limits: Limits = DEFAULT_LIMITS) -> Program:
    """Compile a value that may be an expression: ``{"__jsonlex": true, "expr": ...}`` is, all else stands for itself.

    Programs are remembered by their content, so compiling one again is cheap.

    Raises:
        JSONLexError: JSONLEX_INVALID, JSONLEX_TOO_DEEP or JSONLEX_TOO_LARGE, with a pointer into the value.

    """
    if not _is_wrapped(value):
        return Program(constant(value, 0), plain=True)
    return _program(_unwrapped(value), "/expr", limits)


def evaluate(value: Any, context: Any = None, limits: Limits = DEFAULT_LIMITS) -> Result:
    """Compile and evaluate in one step. Raises JSONLexError as both do."""
    return compile_expression(value, limits).evaluate(context, limits)


def compile_where(value: Any, limits: Limits = DEFAULT_LIMITS) -> Predicate:
    """Compile a condition, with or without the wrapper.

    Raises:
        JSONLexError: as `compile_expression`; also JSONLEX_INVALID for what could never be false by mistake: an object
            without an operator, an array, a number, text or null.

    """
    program = _bare(value, limits)
    expression, pointer = (value["expr"], "/expr") if _is_wrapped(value) else (value, "")
    if type(expression) is not bool and not (type(expression) is dict and any(name[:1] == "$" for name in expression)):
        raise invalid(
            "a condition is an operator, such as $eq, or true or false; this would be the same for all", pointer
        )
    holds, size = condition(program.code), program.frame_size
    steps = program.start(limits)[0]
    if size == 1:
        return Predicate(lambda context: bool(holds(context, [steps])))
    rest = [None] * (size - 1)
    return Predicate(lambda context: bool(holds(context, [steps, *rest])))


def compile_select(value: Any, limits: Limits = DEFAULT_LIMITS) -> Projection:
    """Compile a shape, with or without the wrapper. Raises JSONLexError as `compile_expression` does."""
    return Projection(_bare(value, limits), limits)


def _bare(value: Any, limits: Limits) -> Program:
    if _is_wrapped(value):
        return _program(_unwrapped(value), "/expr", limits)
    return _program(value, "", limits)


def _is_wrapped(value: Any) -> bool:
    return type(value) is dict and value.get(WRAPPER) is True


def _unwrapped(value: dict[str, Any]) -> Any:
    if "expr" not in value:
        raise invalid(f"an object with {WRAPPER} true has the expression in its member 'expr'", "")
    for name in value:
        if name not in {WRAPPER, "expr"}:
            raise invalid(f"an object with {WRAPPER} true has the member 'expr' and no other", child("", str(name)))
    return value["expr"]


def _program(expression: Any, pointer: str, limits: Limits) -> Program:
    check_shape(expression, limits, pointer)
    content = msgspec.json.encode(expression)
    # The caller's own value may change later; what is compiled is a copy that nobody else has.
    return (_cached if len(content) <= CACHED_BYTES else _compile)(content, pointer)


def _compile(content: bytes, pointer: str) -> Program:
    compiler = Compiler()
    code = compiler.expression(msgspec.json.decode(content), pointer, {})
    return Program(code, compiler.frame_size)


# The content keeps the order of members: a result has them in the order in which its expression does.
_cached: Final = lru_cache(maxsize=CACHED_PROGRAMS)(_compile)
