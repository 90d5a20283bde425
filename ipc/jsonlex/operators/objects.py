"""Objects: reading by path, names and values, putting together."""

from typing import Any

from ipc.jsonlex.code import Code, Frame, Place, constant
from ipc.jsonlex.errors import kind_of
from ipc.jsonlex.forms import Names, compiled_operands, mapping, operands, series, unary
from ipc.jsonlex.paths import MAX_SEGMENTS, MISSING, follow
from ipc.jsonlex.registry import Compiling, special


@special(
    "$get",
    "[value, path, default?]",
    "What is at a path in a value, null or the default where there is nothing; a path is dotted, or an array of names.",
)
def get(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a lookup; its default is evaluated only when it is needed."""
    value, path, *rest = parts = compiled_operands(compiler, argument, place, names, least=2, most=3)
    default = rest[0] if rest else constant(None, 0)
    source, way, otherwise = value.run, path.run, default.run

    def run(context: Any, frame: Frame) -> Any:
        found = _find(place, frame, source(context, frame), way(context, frame))
        return otherwise(context, frame) if found is MISSING else found

    code = Code(run, 1 + sum(part.cost for part in parts))
    return compiler.fold(code) if all(part.constant for part in parts) else code


@operands(
    "$has",
    "[value, path]",
    "Whether there is something at a path in a value; null is something.",
    least=2,
    most=2,
    boolean=True,
)
def has(place: Place, frame: Frame, value: Any, path: Any) -> bool:
    """Look whether a path leads anywhere."""
    return _find(place, frame, value, path) is not MISSING


def _find(place: Place, frame: Frame, value: Any, path: Any) -> Any:
    segments = _segments(place, frame, path)
    place.charge(frame, len(segments))
    return follow(value, segments)


def _segments(place: Place, frame: Frame, path: Any) -> list[str]:
    if type(path) is int and path >= 0:
        return [str(path)] if path < 10**9 else ["-"]
    if type(path) is str:
        place.charge_text(frame, len(path))
        segments = path.split(".", MAX_SEGMENTS) if path else []
    elif type(path) is list and len(path) <= MAX_SEGMENTS:
        segments = [_segment(place, segment) for segment in path]
    else:
        raise place.wrong_type(
            f"takes a dotted path, an index, or an array of at most {MAX_SEGMENTS} names, not {kind_of(path)}"
        )
    if len(segments) > MAX_SEGMENTS:
        raise place.wrong_type(f"follows a path of at most {MAX_SEGMENTS} segments")
    return segments


def _segment(place: Place, segment: Any) -> str:
    if type(segment) is str:
        return segment
    if type(segment) is int and 0 <= segment < 10**9:
        return str(segment)
    raise place.wrong_type(f"the segments of a path are strings and indices, not {kind_of(segment)}")


@unary("$keys", "The names of an object's members, in the order of their code points.", form="object")
def keys(place: Place, frame: Frame, value: Any) -> list[str]:
    """List the names."""
    return _names(place, frame, value)


@unary("$values", "The values of an object's members, in the order of their names.", form="object")
def values(place: Place, frame: Frame, value: Any) -> list[Any]:
    """List the values."""
    return [value[name] for name in _names(place, frame, value)]


def _names(place: Place, frame: Frame, value: Any) -> list[str]:
    place.charge(frame, 2 * len(mapping(place, value)))
    return sorted(value)


@series("$merge", "[..] or an array", "One object with the members of all; of two with one name the later is taken.")
def merge(place: Place, frame: Frame, objects: list[Any]) -> dict[str, Any]:
    """Put objects together, no deeper than their own members."""
    place.charge(frame, len(objects))
    merged: dict[str, Any] = {}
    for part in objects:
        place.charge(frame, len(mapping(place, part)))
        merged.update(part)
    return merged
