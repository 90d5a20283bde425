"""What services declare of their events: the JSON Schema of the data, what it means, and examples of it.

A schema comes from another service, so it is bounded before anybody compiles it, and refers to nothing but itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.patterns import check_event

MAX_EVENTS: Final = 64
"""The events that a message, and a service, may declare."""
MAX_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 32
MAX_EVALUATIONS: Final = 1_000
"""A schema of more steps, with all references followed, is shown and not checked: a few dozen lines can be 2**30."""
MAX_REFERENCES: Final = 100
_REFERENCE: Final = "$ref"
_FOREIGN: Final = frozenset(
    {"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"}
)
_DIALECTS: Final = frozenset({"https://json-schema.org/draft/2020-12/schema"})


class Declaration(Struct, omit_defaults=True, kw_only=True):
    """What a service says of one of its events; the schema is of JSON Schema 2020-12."""

    event: str
    schema: dict[str, Any]
    description: Annotated[str, Meta(max_length=1_000)] = ""
    examples: Annotated[list[Any], Meta(max_length=5)] = []


class Drift(Struct, frozen=True, kw_only=True):
    """How emitted data fits a schema, of those that were looked at; ``last_pointer`` is where the last one did not."""

    checked: int = 0
    drifted: int = 0
    last_error: str = ""
    last_pointer: str = ""
    last_ms: int | None = None


class DeclaredEvent(Struct, frozen=True, kw_only=True):
    """A declaration as it is kept: whose it is, when it was last said, and how the service holds to it."""

    service: str
    declaration: Declaration
    declared_ms: int
    is_checked: bool = True
    drift: Drift = Drift()


class DeclaredInfo(Struct, kw_only=True):
    """An event that a service has declared, without its schema."""

    event: str
    declared_ms: int
    is_checked: bool
    drift: Drift


def check_declaration(declaration: Declaration) -> None:
    """Refuse a declaration that is too large, too deep, or refers to something outside of it.

    Raises:
        BadMessageError: INVALID_EVENT, DATA_TOO_LARGE or INVALID_DATA, with what is wrong.

    """
    event = check_event(declaration.event)
    if _depth(declaration.schema) > MAX_DEPTH:
        raise _wrong(event, f"is nested more than {MAX_DEPTH} deep")
    size = len(msgspec.json.encode(declaration))
    if size > MAX_BYTES:
        raise BadMessageError(
            f"the declaration of {event} has {size} bytes, and at most {MAX_BYTES} are taken: shorten it",
            code=ErrorCode.DATA_TOO_LARGE,
            details={"limit": MAX_BYTES},
        )
    if declaration.schema.get("$schema", "") not in {"", *_DIALECTS}:
        raise _wrong(event, f"is of another dialect than {', '.join(_DIALECTS)}: leave $schema out")
    for node in _objects(declaration.schema):
        reference = node.get(_REFERENCE)
        if isinstance(reference, str):
            _check_reference(event, declaration.schema, reference)
        if foreign := sorted(name for name in _FOREIGN & node.keys() if isinstance(node[name], str)):
            raise _wrong(event, f"has {', '.join(foreign)}: name its parts in $defs, and refer to them with #/$defs/…")


def in_frames(declarations: Iterable[Declaration], frame_bytes: int) -> list[list[Declaration]]:
    """Divide declarations so that those which go together fit into a frame, which has room for more than them."""
    frames: list[list[Declaration]] = []
    left = 0
    for declaration in declarations:
        size = len(msgspec.json.encode(declaration))
        if not frames or size > left:
            frames.append([])
            left = frame_bytes // 2
        frames[-1].append(declaration)
        left -= size
    return frames


def evaluations(schema: Mapping[str, Any]) -> int | None:
    """Return how many schemas one value may have to be compared with, references followed; None for more than 1000.

    One that contains itself has no such number, and is None as well.
    """
    return weight(schema, lambda _: 1, most=MAX_EVALUATIONS)


def weight(schema: Mapping[str, Any], of: Callable[[Any], int], *, most: int) -> int | None:
    """Return what the schemas weigh together that one value may have to be compared with, references followed.

    Args:
        schema: in which each schema weighs as often as it is referred to.
        of: what one of them weighs by itself.
        most: where the count ends, with None; it is None as well where a schema contains itself.

    """
    return _Scales(schema, of, most).weigh(schema, 0)


def patterns(schema: Mapping[str, Any]) -> Iterator[str]:
    """Return all regular expressions of a schema, each as often as it is written there."""
    for node in _objects(schema):
        yield from patterns_of(node)


def patterns_of(node: Any) -> Iterator[str]:
    """Return the regular expressions that one schema has itself."""
    if isinstance(node, Mapping):
        if isinstance(pattern := node.get("pattern"), str):
            yield pattern
        if isinstance(of_names := node.get("patternProperties"), Mapping):
            yield from of_names


def resolved(schema: Mapping[str, Any], reference: str) -> Any:
    """Return the part of a schema that ``#/…`` refers to (RFC 6901), or None where there is none."""
    node: Any = schema
    for token in reference[1:].split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list):
            node = node[int(name)] if name.isascii() and name.isdigit() and int(name) < len(node) else None
        else:
            node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _check_reference(event: str, schema: Mapping[str, Any], reference: str) -> None:
    if reference != "#" and not reference.startswith("#/"):
        raise _wrong(event, f"refers to {reference[:80]!r}: only what is in it may be referred to, as #/$defs/…")
    if not isinstance(resolved(schema, reference), Mapping | bool):
        raise _wrong(event, f"refers to {reference[:80]!r}, which is no schema in it")


class _Scales:
    def __init__(self, root: Mapping[str, Any], of: Callable[[Any], int], most: int) -> None:
        self._root = root
        self._of = of
        self._most = most
        self._known: dict[int, int | None] = {}

    def weigh(self, node: Any, depth: int) -> int | None:
        """Weigh a node and what is in it; meanwhile it is known as None, which one that contains itself stays."""
        if not isinstance(node, Mapping | list) or not node:
            return 0 if isinstance(node, list) else self._of(node)
        if id(node) in self._known or depth > MAX_REFERENCES:
            return self._known.get(id(node))
        self._known[id(node)] = None
        parts = list(node.values()) if isinstance(node, Mapping) else list(node)
        if isinstance(node, Mapping) and isinstance(node.get(_REFERENCE), str):
            parts.append(resolved(self._root, node[_REFERENCE]))
        total = self._of(node)
        for part in parts:
            # What is no schema, such as a maximum, costs nothing to speak of.
            count = self.weigh(part, depth + 1) if isinstance(part, Mapping | list | bool) else 0
            if count is None or (total := total + count) > self._most:
                return None
        self._known[id(node)] = total
        return total


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
    return depth


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
        waiting += [child for child in _children(node) if isinstance(child, dict | list)]


def _children(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else list(node)


def _wrong(event: str, what: str) -> BadMessageError:
    return BadMessageError(f"the schema of {event} {what}", code=ErrorCode.INVALID_DATA)
