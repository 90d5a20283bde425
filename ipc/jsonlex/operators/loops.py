"""Loops over arrays. A loop pays for its rounds before it runs them: the size of its body, and one, for each item."""

from dataclasses import dataclass
from typing import Any

from ipc.jsonlex.code import Code, Frame, Place, Run
from ipc.jsonlex.errors import child, invalid, kind_of
from ipc.jsonlex.forms import Names, array, members
from ipc.jsonlex.operators.logic import condition
from ipc.jsonlex.registry import Compiling, special


@dataclass(frozen=True, slots=True)
class Loop:
    """A compiled loop over the items of an array."""

    place: Place
    items: Run
    index: int
    body: Code
    cost: int
    each: int

    def start(self, context: Any, frame: Frame) -> list[Any]:
        """Return the items, with all rounds paid for."""
        items = array(self.place, self.items(context, frame))
        self.place.charge(frame, self.each * len(items))
        return items


def loop(compiler: Compiling, argument: Any, place: Place, names: Names, *, body: str) -> Loop:
    """Compile ``{array, as="item", <body>}``."""
    given = members(argument, place, required=("array", body), optional=("as",))
    items = compiler.expression(given["array"], child(place.pointer, "array"), names)
    name = variable_name(given, place, "as", "item")
    inner, (index,) = compiler.bind(names, name)
    code = compiler.expression(given[body], child(place.pointer, body), inner)
    return Loop(place, items.run, index, code, 2 + items.cost, 1 + code.cost)


def variable_name(given: dict[str, Any], place: Place, member: str, default: str) -> str:
    """Return the name of a loop variable: a string that is one segment of a path."""
    name = given.get(member, default)
    if type(name) is not str:
        raise invalid(f"the name of a variable is a string, not {kind_of(name)}", child(place.pointer, member))
    if not name or "." in name:
        raise invalid("the name of a variable is not empty and has no dot", child(place.pointer, member))
    return name


@special("$map", '{array, as="item", expr}', "An array of what expr gives for each item.")
def mapped(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a loop that gives an array of the same length."""
    compiled = loop(compiler, argument, place, names, body="expr")
    start, index, body = compiled.start, compiled.index, compiled.body.run

    def run(context: Any, frame: Frame) -> list[Any]:
        result = []
        for item in start(context, frame):
            frame[index] = item
            result.append(body(context, frame))
        return result

    return Code(run, compiled.cost)


@special("$filter", '{array, as="item", condition}', "An array of the items whose condition is truthy.")
def filtered(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a loop that gives some of the items."""
    compiled = loop(compiler, argument, place, names, body="condition")
    start, index, holds = compiled.start, compiled.index, condition(compiled.body)

    def run(context: Any, frame: Frame) -> list[Any]:
        result = []
        for item in start(context, frame):
            frame[index] = item
            if holds(context, frame):
                result.append(item)
        return result

    return Code(run, compiled.cost)


@special("$some", '{array, as="item", condition}', "Whether the condition of one item is truthy; false for none.")
def some(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a loop that ends at the first item for which the condition holds."""
    return _search(loop(compiler, argument, place, names, body="condition"), found=True)


@special("$every", '{array, as="item", condition}', "Whether the conditions of all items are truthy; true for none.")
def every(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a loop that ends at the first item for which the condition does not hold."""
    return _search(loop(compiler, argument, place, names, body="condition"), found=False)


def _search(compiled: Loop, *, found: bool) -> Code:
    start, index, holds = compiled.start, compiled.index, condition(compiled.body)

    def run(context: Any, frame: Frame) -> bool:
        for item in start(context, frame):
            frame[index] = item
            if bool(holds(context, frame)) is found:
                return found
        return not found

    return Code(run, compiled.cost, boolean=True)


@special(
    "$reduce",
    '{array, as="item", acc="acc", initial, expr}',
    "What expr gives for the last item, where acc is what it gave for the item before, and initial at first.",
)
def reduced(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a loop that carries a value from item to item."""
    given = members(argument, place, required=("array", "initial", "expr"), optional=("as", "acc"))
    items = compiler.expression(given["array"], child(place.pointer, "array"), names)
    initial = compiler.expression(given["initial"], child(place.pointer, "initial"), names)
    item, acc = variable_name(given, place, "as", "item"), variable_name(given, place, "acc", "acc")
    if item == acc:
        raise invalid("as and acc are two different names", place.pointer)
    inner, (index, carried) = compiler.bind(names, item, acc)
    expr = compiler.expression(given["expr"], child(place.pointer, "expr"), inner)
    loop = Loop(place, items.run, index, expr, 2 + items.cost + initial.cost, 1 + expr.cost)
    start, body, first = loop.start, expr.run, initial.run

    def run(context: Any, frame: Frame) -> Any:
        rounds = start(context, frame)
        frame[carried] = first(context, frame)
        for value in rounds:
            frame[index] = value
            frame[carried] = body(context, frame)
        return frame[carried]

    return Code(run, loop.cost)
