"""Looking for entries of a stream by what their fields say: in Redis, a little at a time, and never without an end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal, NamedTuple

from redis.asyncio import Redis

from ipc.stores.connection import Script, run_script, translated_errors

ENTRIES_A_CALL: Final = 1_000
BYTES_A_CALL: Final = 1024 * 1024
_SCAN: Final = Script(resources.files("ipc.stores").joinpath("scripts/scan.lua").read_text())


class Condition(NamedTuple):
    """What a field has to be (``=``), to begin with (``^``), or to contain (``*``).

    ``!`` is a pattern of Lua that it must not match.
    """

    field: str
    operator: Literal["=", "^", "*", "!"]
    text: str


@dataclass(frozen=True, slots=True)
class Scan:
    """The positions found, how many entries were looked at, up to where, and whether that was the whole range."""

    found: list[str]
    looked: int
    upto: str
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A part of a stream, ends included, and from which end to look at it."""

    first: str = "-"
    last: str = "+"
    newest_first: bool = False

    def beyond(self, position: str) -> "Range":
        """Return what is left of it when it was looked at up to a position."""
        if self.newest_first:
            return Range(first=self.first, last=f"({position}", newest_first=True)
        return Range(first=f"({position}", last=self.last)


async def scan(
    redis: Redis,
    stream: str,
    part: Range,
    conditions: Sequence[Condition],
    *,
    max_entries: int,
    max_found: int = 1,
    until: float | None = None,
) -> Scan:
    """Look at a part of a stream until enough is found, at most so many entries and until a time of `time.monotonic`.

    Without conditions nothing is found, and the entries are counted.

    One call of Redis looks at no more than 1000 entries or about 1 MiB, so others wait for a millisecond or two.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    found: list[str] = []
    looked, upto = 0, ""
    while looked < max_entries and (until is None or time.monotonic() < until):
        order = "newest" if part.newest_first else "oldest"
        bounds: list[str | bytes | int] = [order, part.first, part.last]
        budget = [min(ENTRIES_A_CALL, max_entries - looked), BYTES_A_CALL, max_found - len(found)]
        wanted = [word for condition in conditions for word in condition]
        async with translated_errors(f"look through {stream}"):
            reply: list[Any] = await run_script(redis, _SCAN, [stream], [*bounds, *budget, *wanted])
        found += [position.decode() for position in reply[3]]
        looked += int(reply[1])
        upto = reply[0].decode() or upto
        if reply[2]:
            return Scan(found, looked, upto, is_whole=True)
        if len(found) >= max_found:
            break
        part = part.beyond(upto)
    return Scan(found, looked, upto, is_whole=False)
