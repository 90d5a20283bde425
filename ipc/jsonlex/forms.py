"""The forms that operators are written in, and how those are compiled that evaluate all their operands first."""

from collections.abc import Callable, Mapping
from typing import Any

from ipc.jsonlex.code import Code, Frame, Place, Run
from ipc.jsonlex.errors import child, invalid, kind_of
from ipc.jsonlex.registry import Compiling, enter

Names = Mapping[str, int]
Function = Callable[..., Any]
"""Called with the operator's place, the frame, and the values of its operands."""


def unary(name: str, doc: str, *, form: str = "x") -> Callable[[Function], Function]:
    """Enter an operator that takes one value: whatever stands there is that value, an array too."""

    def entered(function: Function) -> Function:
        def build(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
            return calling(compiler, function, place, [compiler.expression(argument, place.pointer, names)])

        enter(name, form, doc, build, module=function.__module__)
        return function

    return entered


def operands(
    name: str, form: str, doc: str, *, least: int, most: int | None, boolean: bool = False
) -> Callable[[Function], Function]:
    """Enter an operator that takes an array of operands, written as such; ``most`` None is any number."""

    def entered(function: Function) -> Function:
        def build(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
            parts = compiled_operands(compiler, argument, place, names, least=least, most=most)
            return calling(compiler, function, place, parts, boolean=boolean)

        enter(name, form, doc, build, module=function.__module__)
        return function

    return entered


def series(name: str, form: str, doc: str) -> Callable[[Function], Function]:
    """Enter an operator over an array: either its items are written out, or an expression gives it."""

    def entered(function: Function) -> Function:
        def build(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
            return calling(compiler, checked, place, [compiler.expression(argument, place.pointer, names)])

        def checked(place: Place, frame: Frame, values: Any) -> Any:
            return function(place, frame, array(place, values))

        enter(name, form, doc, build, module=function.__module__)
        return function

    return entered


def compiled_operands(
    compiler: Compiling, argument: Any, place: Place, names: Names, *, least: int, most: int | None
) -> list[Code]:
    """Compile operands that must be written out as an array, and check how many there are."""
    if type(argument) is not list:
        raise invalid(f"{place.name} takes an array of operands, not {kind_of(argument)}", place.pointer)
    if len(argument) < least or (most is not None and len(argument) > most):
        number = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        raise invalid(f"{place.name} takes {number} operands, not {len(argument)}", place.pointer)
    return [compiler.expression(item, child(place.pointer, index), names) for index, item in enumerate(argument)]


def members(
    argument: Any, place: Place, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the named operands of an operator that takes them as an object."""
    if type(argument) is not dict:
        raise invalid(
            f"{place.name} takes an object with {', '.join(required)}, not {kind_of(argument)}", place.pointer
        )
    for name in required:
        if name not in argument:
            raise invalid(f"{place.name} needs the member {name!r}", place.pointer)
    for name in argument:
        if name not in required and name not in optional:
            known = ", ".join([*required, *optional])
            raise invalid(f"{place.name} takes the members {known} and no other", child(place.pointer, name))
    return argument


def calling(compiler: Compiling, function: Function, place: Place, parts: list[Code], *, boolean: bool = False) -> Code:
    """Return code that evaluates its parts in their order and calls the function with their values."""
    cost = 1 + sum(part.cost for part in parts)
    code = Code(_call(function, place, [part.run for part in parts]), cost, boolean=boolean)
    return compiler.fold(code) if all(part.constant for part in parts) else code


def _call(function: Function, place: Place, runs: list[Run]) -> Run:
    # One closure for each usual number of operands: unpacking a list costs as much as a simple operator does.
    if len(runs) == 1:
        (only,) = runs
        return lambda context, frame: function(place, frame, only(context, frame))
    if len(runs) == 2:  # noqa: PLR2004 - two operands
        left, right = runs
        return lambda context, frame: function(place, frame, left(context, frame), right(context, frame))
    return lambda context, frame: function(place, frame, *[run(context, frame) for run in runs])


def array(place: Place, value: Any) -> list[Any]:
    """Return a value that is an array, or refuse it."""
    if type(value) is not list:
        raise place.wrong_type(f"takes an array, not {kind_of(value)}")
    return value


def mapping(place: Place, value: Any) -> dict[str, Any]:
    """Return a value that is an object, or refuse it."""
    if type(value) is not dict:
        raise place.wrong_type(f"takes an object, not {kind_of(value)}")
    return value


def text(place: Place, value: Any) -> str:
    """Return a value that is a string, or refuse it."""
    if type(value) is not str:
        raise place.wrong_type(f"takes a string, not {kind_of(value)}")
    return value
