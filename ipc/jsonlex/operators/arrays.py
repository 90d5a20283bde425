"""Arrays as a whole: parts, order, repeats."""

from typing import Any

from ipc.jsonlex.code import Code, Frame, Place
from ipc.jsonlex.errors import child, invalid, kind_of, shown
from ipc.jsonlex.forms import Names, array, calling, members, operands, unary
from ipc.jsonlex.operators.loops import variable_name
from ipc.jsonlex.registry import Compiling, special
from ipc.jsonlex.values import identity, integer


@operands(
    "$slice",
    "[array, start, end?]",
    "The items from start up to, not including, end; negative ones count from the end.",
    least=2,
    most=3,
)
def slice_of(place: Place, frame: Frame, items: Any, start: Any, end: Any = None) -> list[Any]:
    """Take a part of an array."""
    part = array(place, items)[integer(place, start, "start") : None if end is None else integer(place, end, "end")]
    place.charge(frame, len(part))
    return part


@unary("$unique", "The items without those that equal an earlier one.", form="array")
def unique(place: Place, frame: Frame, items: Any) -> list[Any]:
    """Keep the first of equal items."""
    place.charge(frame, len(array(place, items)))
    kept: dict[Any, Any] = {}
    for item in items:
        kept.setdefault(identity(place, frame, item), item)
    return list(kept.values())


@special(
    "$sort",
    'array or {array, as="item", by, order="asc"}',
    "The items in order, or ordered by what by gives for each: all numbers or all strings; null comes last.",
)
def sort(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a stable sort."""
    if type(argument) is not dict or "array" not in argument:
        return calling(compiler, _sorted, place, [compiler.expression(argument, place.pointer, names)])
    given = members(argument, place, required=("array",), optional=("as", "by", "order"))
    items = compiler.expression(given["array"], child(place.pointer, "array"), names)
    name = variable_name(given, place, "as", "item")
    inner, (index,) = compiler.bind(names, name)
    by = compiler.expression(given.get("by", {"$var": name}), child(place.pointer, "by"), inner)
    order = given.get("order", "asc")
    if order not in ("asc", "desc"):
        raise invalid(f"the order is asc or desc, not {shown(order)}", child(place.pointer, "order"))
    key, descending, each, start = by.run, order == "desc", 1 + by.cost, items.run

    def run(context: Any, frame: Frame) -> list[Any]:
        values = array(place, start(context, frame))
        place.charge(frame, each * len(values))
        keys = []
        for frame[index] in values:
            keys.append(key(context, frame))
        return _in_order(place, frame, values, keys, descending=descending)

    return Code(run, 2 + items.cost)


def _sorted(place: Place, frame: Frame, items: Any) -> list[Any]:
    values = array(place, items)
    return _in_order(place, frame, values, values, descending=False)


def _in_order(place: Place, frame: Frame, items: list[Any], keys: list[Any], *, descending: bool) -> list[Any]:
    """Return the items in the order of their keys; equal ones stay as they were, in either direction."""
    place.charge(frame, len(items))
    present = [index for index, key in enumerate(keys) if key is not None]
    size = _comparable(place, [keys[index] for index in present])
    # What is paid is a share of the comparisons of a sort, n log n, and of the text that they may read.
    place.charge(frame, (len(present) * len(present).bit_length()) // 4)
    place.charge_text(frame, size * len(present).bit_length())
    present.sort(key=keys.__getitem__, reverse=descending)
    return [items[index] for index in present] + [item for item, key in zip(items, keys, strict=True) if key is None]


def _comparable(place: Place, keys: list[Any]) -> int:
    """Check that the keys have an order; return how many characters they have."""
    kinds = {type(key) for key in keys}
    if kinds <= {int, float}:
        return 0
    if kinds == {str}:
        return sum(map(len, keys))
    (wrong, *_) = [key for key in keys if type(key) is not type(keys[0])] or keys
    raise place.wrong_type(f"orders numbers, or strings, not {kind_of(keys[0])} and {kind_of(wrong)}")
