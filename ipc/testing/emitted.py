"""What was emitted in a test, whether it is what the test expects, and if not, where it differs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ipc.protocol.routing import logs_of_target
from ipc.protocol.services import full_name
from ipc.stores.eventlog import Entry

MAX_SHOWN: Final = 20
MAX_DATA_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """An event that was emitted; services by their full names, ``target`` is ``broadcast`` where none was named."""

    event: str
    source: str
    target: str | list[str]
    data: Any
    id: str
    meta: Any
    position: str

    def __str__(self) -> str:
        targets = self.target if isinstance(self.target, str) else ", ".join(self.target)
        return f"{self.event} from {self.source} to {targets}: {shown(self.data)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a test expects of an event; a member that is None may be anything."""

    event: str
    source: str | None = None
    target: str | Sequence[str] | None = None
    data: Any = None

    def __str__(self) -> str:
        text = self.event
        if self.source is not None:
            text += f" from {full_name(self.source)}"
        if self.target is not None:
            text += f" to {', '.join(logs_of_target(self.target))}"
        return text if self.data is None else f"{text} with {shown(self.data)}"

    def difference(self, emitted: Emitted) -> str | None:
        """Return in words where an event of the right name differs, or None if it does not."""
        if self.source is not None and full_name(self.source) != emitted.source:
            return f"source is {emitted.source}"
        if self.target is not None:
            actual = [emitted.target] if isinstance(emitted.target, str) else emitted.target
            missing = [name for name in logs_of_target(self.target) if name not in actual]
            if missing:
                return f"target is {', '.join(actual)}"
        return None if self.data is None else _difference(self.data, emitted.data, "data")


def emitted_from(entries: Iterable[Entry]) -> list[Emitted]:
    """Return what was appended to the logs, each event once however many targets it has."""
    found: dict[tuple[str, str], Emitted] = {}
    for entry in entries:
        event = msgspec.json.decode(entry.frame + "}")
        found.setdefault(
            (event["source"], event["id"]),
            Emitted(
                event=entry.event,
                source=event["source"],
                target=event["target"],
                data=event["data"],
                id=event["id"],
                meta=event.get("meta"),
                position=entry.position,
            ),
        )
    return list(found.values())


def listed(title: str, lines: Iterable[object], nothing: str = "") -> str:
    """Return a titled list for the message of an assertion, empty if there is nothing to say."""
    rows = [str(line) for line in lines]
    if not rows:
        return f"\n{title} {nothing}" if nothing else ""
    more = [f"... and {len(rows) - MAX_SHOWN} more"] if len(rows) > MAX_SHOWN else []
    return "".join(f"\n  {row}" for row in [*rows[:MAX_SHOWN], *more]).join([f"\n{title}", ""])


def shown(data: Any) -> str:
    """Return data as it is shown in a message, cut where it is long."""
    text = json.dumps(data, ensure_ascii=False, default=repr)
    return text if len(text) <= MAX_DATA_SHOWN else text[:MAX_DATA_SHOWN] + "..."


def _difference(expected: Any, actual: Any, path: str) -> str | None:
    """Compare data: an object may have more members than expected, everything else has to be equal."""
    if not isinstance(expected, Mapping) or not isinstance(actual, Mapping):
        # Not the other way round: `unittest.mock.ANY` and the like compare as the left side.
        return None if expected == actual else f"{path} is {shown(actual)}, not {shown(expected)}"
    for name, value in expected.items():
        if name not in actual:
            return f"{path} has no {name!r}"
        if (different := _difference(value, actual[name], f"{path}.{name}")) is not None:
            return different
    return None
