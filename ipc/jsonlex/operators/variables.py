"""Reading the context, and taking JSON as it is."""

from typing import Any

from ipc.jsonlex.code import Code, Frame, Place, Run, constant
from ipc.jsonlex.errors import child, invalid, kind_of
from ipc.jsonlex.forms import Names
from ipc.jsonlex.paths import MAX_SEGMENTS, MISSING, follow
from ipc.jsonlex.registry import Compiling, special


@special("$var", "path or [path, default]", "The value at a dotted path, null or the default where there is none.")
def var(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a variable; loop variables hide members of the context."""
    default = constant(None, 0)
    path, at = argument, place.pointer
    if type(argument) is list:
        if not 1 <= len(argument) <= 2:  # noqa: PLR2004 - a path and a default
            raise invalid(f"$var takes a path, or [path, default], not {len(argument)} values", place.pointer)
        path, at = argument[0], child(at, 0)
        if len(argument) > 1:
            default = compiler.expression(argument[1], child(place.pointer, 1), names)
    segments = _segments(path, at)
    cost = 2 + default.cost
    if segments and segments[0] in names:
        return Code(_loop_variable(names[segments[0]], segments[1:], default.run), cost)
    return Code(_context_variable(segments, default.run), cost)


@special("$literal", "x", "JSON as it is, whatever it looks like.")
def literal(_compiler: Compiling, argument: Any, _place: Place, _names: Names) -> Code:
    """Compile to the argument itself."""
    return constant(argument, 2)


def _segments(path: Any, at: str) -> list[str]:
    if type(path) is not str:
        raise invalid(f"the path of $var is a string, not {kind_of(path)}", at)
    if path.count(".") >= MAX_SEGMENTS:
        raise invalid(f"a path has at most {MAX_SEGMENTS} segments", at)
    return path.split(".") if path else []


def _loop_variable(index: int, segments: list[str], default: Run) -> Run:
    if not segments:
        return lambda _context, frame: frame[index]
    if len(segments) == 1:
        return _member_of_loop_variable(index, segments, default)

    def run(context: Any, frame: Frame) -> Any:
        found = follow(frame[index], segments)
        return default(context, frame) if found is MISSING else found

    return run


# These try the way that almost every path goes, from object to object, before they look at types.


def _member_of_loop_variable(index: int, segments: list[str], default: Run) -> Run:
    (name,) = segments

    def run(context: Any, frame: Frame) -> Any:
        try:
            return frame[index][name]
        except (KeyError, TypeError):
            found = follow(frame[index], segments)
            return default(context, frame) if found is MISSING else found

    return run


def _context_variable(segments: list[str], default: Run) -> Run:
    def slow(context: Any, frame: Frame) -> Any:
        found = follow(context, segments)
        return default(context, frame) if found is MISSING else found

    if len(segments) == 1:
        return _one_segment(segments[0], slow)
    if len(segments) == 2:  # noqa: PLR2004 - two segments
        return _two_segments(segments[0], segments[1], slow)
    return slow if segments else lambda context, _frame: context


def _one_segment(name: str, slow: Run) -> Run:
    def run(context: Any, frame: Frame) -> Any:
        try:
            return context[name]
        except (KeyError, TypeError):
            return slow(context, frame)

    return run


def _two_segments(first: str, second: str, slow: Run) -> Run:
    def run(context: Any, frame: Frame) -> Any:
        try:
            return context[first][second]
        except (KeyError, TypeError):
            return slow(context, frame)

    return run
