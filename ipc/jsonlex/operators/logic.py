"""Conditions: what is evaluated depends on what came before."""

from typing import Any

from ipc.jsonlex.code import Code, Frame, Place, Run, constant
from ipc.jsonlex.forms import Names, compiled_operands
from ipc.jsonlex.registry import Compiling, special
from ipc.jsonlex.values import truthy


def condition(code: Code) -> Run:
    """Return the closure that tells whether the code's value is truthy."""
    if code.boolean:
        return code.run
    run = code.run
    return lambda context, frame: truthy(run(context, frame))


@special("$and", "[..]", "Whether all are truthy, looking no further than the first that is not; true for none.")
def all_of(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a conjunction."""
    return _junction(compiler, argument, place, names, decided=False)


@special("$or", "[..]", "Whether one is truthy, looking no further than the first that is; false for none.")
def any_of(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a disjunction."""
    return _junction(compiler, argument, place, names, decided=True)


def _junction(compiler: Compiling, argument: Any, place: Place, names: Names, *, decided: bool) -> Code:
    parts = compiled_operands(compiler, argument, place, names, least=0, most=None)
    cost = 1 + sum(part.cost for part in parts)
    code = Code(_decide([condition(part) for part in parts], decided), cost, boolean=True)
    return compiler.fold(code) if all(part.constant for part in parts) else code


def _decide(conditions: list[Run], decided: bool) -> Run:
    """Return the closure that stops at the first condition that decides."""
    if len(conditions) == 2:  # noqa: PLR2004 - the usual number, for which a loop would cost more than the conditions
        first, second = conditions
        if decided:
            return lambda context, frame: first(context, frame) or second(context, frame)
        return lambda context, frame: first(context, frame) and second(context, frame)

    def run(context: Any, frame: Frame) -> bool:
        for holds in conditions:
            if bool(holds(context, frame)) is decided:
                return decided
        return not decided

    return run


@special("$not", "x", "Whether x is falsy: false, 0, an empty string or null.")
def negation(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a negation."""
    part = compiler.expression(argument, place.pointer, names)
    holds = condition(part)
    code = Code(lambda context, frame: not holds(context, frame), 1 + part.cost, boolean=True)
    return compiler.fold(code) if part.constant else code


@special("$if", "[condition, then, else?]", "One of the two, and only that is evaluated; null without an else.")
def choice(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a choice."""
    asked, then, *rest = compiled_operands(compiler, argument, place, names, least=2, most=3)
    otherwise = rest[0] if rest else constant(None, 0)
    cost = 1 + asked.cost + then.cost + otherwise.cost
    if asked.constant:
        chosen = then if truthy(asked.value) else otherwise
        return Code(chosen.run, cost, constant=chosen.constant, value=chosen.value, boolean=chosen.boolean)
    holds, yes, no = condition(asked), then.run, otherwise.run

    def run(context: Any, frame: Frame) -> Any:
        return yes(context, frame) if holds(context, frame) else no(context, frame)

    return Code(run, cost, boolean=then.boolean and otherwise.boolean)


@special("$coalesce", "[..]", "The first that is not null, looking no further; null if all are.")
def coalesce(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a chain of alternatives."""
    parts = compiled_operands(compiler, argument, place, names, least=1, most=None)
    runs = [part.run for part in parts]

    def run(context: Any, frame: Frame) -> Any:
        for part in runs:
            value = part(context, frame)
            if value is not None:
                return value
        return None

    code = Code(run, 1 + sum(part.cost for part in parts))
    return compiler.fold(code) if all(part.constant for part in parts) else code
