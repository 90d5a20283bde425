"""The statistics of the mesh: what each hub has counted in each step of time, summed by whoever reads it.

Each step has a hash of its own, with a field for each hub that ran in it, and runs out by itself. A hub writes a step
again while it is under way, whole each time, so an answer that was lost counts nothing twice.
"""

from collections.abc import Sequence
from importlib import resources
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
from redis.asyncio import Redis

from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import SERVICES
from ipc.protocol.statistics import RedisFigures
from ipc.protocol.tally import Tally
from ipc.stores import keys
from ipc.stores.connection import Script, execute, run_script, translated_errors
from ipc.stores.group_states import GroupState

MAX_HUBS: Final = 1_000
LEASE_S: Final = 8
LATE_S: Final = 30
"""Seconds that a step is kept beyond what it is read for: clocks differ, and whoever reads takes a moment."""
_PUT: Final = Script(resources.files("ipc.stores").joinpath("scripts/put_statistics.lua").read_text())

Part = Literal["totals", "details", "sample"]


class Steps(NamedTuple):
    """Steps of one length, and for how many seconds back they are kept."""

    part: Part
    step_s: int
    kept_s: int


SECONDS: Final = Steps("totals", 1, 300)
TENS: Final = Steps("totals", 10, 3_600)
FIVE_MINUTES: Final = Steps("totals", 300, 86_400)
DETAILED_TENS: Final = Steps("details", 10, 300)
DETAILED_FIVE_MINUTES: Final = Steps("details", 300, 86_400)
SAMPLED_TENS: Final = Steps("sample", 10, 3_600)
SAMPLED_FIVE_MINUTES: Final = Steps("sample", 300, 86_400)


class Entry(NamedTuple):
    """What one hub has counted in the step that begins at a time, in Unix seconds."""

    steps: Steps
    begin_s: int
    tally: Tally


class Sample(msgspec.Struct, kw_only=True):
    """How groups and Redis stood when one hub looked, for all.

    ``groups`` are those with most to do, the sums are over all of them.
    """

    at_ms: int
    groups: list[GroupState]
    waiting: int
    pending: int
    oldest_pending_ms: int
    dead: int
    redis: RedisFigures


class StatisticsStore(Protocol):
    """Where statistics are kept. What each method does is written at `Statistics`."""

    async def put(self, hub: str, entries: Sequence[Entry]) -> None:
        """Write what a hub has counted."""

    async def read(self, steps: Steps, begins_s: Sequence[int]) -> list[dict[str, Tally]]:
        """Return, for each step that begins at one of some times, what each hub has counted."""

    async def lead(self, hub: str) -> bool:
        """Tell whether it is for a hub to look at what is the same for all."""

    async def measure(self) -> RedisFigures:
        """Return how Redis itself is."""

    async def put_sample(self, sample: Sample) -> None:
        """Write how groups and Redis stand."""

    async def samples(self, steps: Steps, begins_s: Sequence[int]) -> list[Sample | None]:
        """Return, for each step that begins at one of some times, the last sample that was taken in it."""


class Statistics:
    """The statistics in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, hub: str, entries: Sequence[Entry]) -> None:
        """Write what a hub has counted in some steps, in one exchange; what it wrote there before is replaced.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        args: list[str | bytes | int] = [hub, MAX_HUBS]
        for entry in entries:
            args += [entry.steps.kept_s + entry.steps.step_s + LATE_S, msgspec.msgpack.encode(entry.tally)]
        async with translated_errors("write the statistics of this hub"):
            await run_script(self._redis, _PUT, [_key(entry.steps, entry.begin_s) for entry in entries], args)

    async def read(self, steps: Steps, begins_s: Sequence[int]) -> list[dict[str, Tally]]:
        """Return, for each step that begins at one of some times, what each hub has counted.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("read the statistics"), self._redis.pipeline(transaction=False) as pipe:
            for begin_s in begins_s:
                pipe.hgetall(_key(steps, begin_s))
            replies = await pipe.execute()
        return [
            {hub.decode(): msgspec.msgpack.decode(value, type=Tally) for hub, value in reply.items()}
            for reply in replies
        ]

    async def lead(self, hub: str) -> bool:
        """Tell whether it is for a hub to look at what is the same for all: one at a time, for eight seconds.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("look who samples the mesh"):
            _, leader = await execute(
                self._redis,
                ("SET", keys.STATISTICS_LEADER, hub, "NX", "EX", LEASE_S),
                ("GET", keys.STATISTICS_LEADER),
            )
            is_leader = bool(leader == hub.encode())
            if is_leader:
                await execute(self._redis, ("EXPIRE", keys.STATISTICS_LEADER, LEASE_S))
        return is_leader

    async def measure(self) -> RedisFigures:
        """Return the memory of Redis, and how many events each log has.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        logs = (BROADCAST, *SERVICES)
        async with translated_errors("measure Redis"):
            memory: dict[str, Any] = await self._redis.info("memory")
            lengths = await execute(self._redis, *(("XLEN", keys.log(log)) for log in logs))
        return RedisFigures(
            used_bytes=int(memory["used_memory"]),
            max_bytes=int(memory.get("maxmemory", 0)),
            log_lengths={log: length for log, length in zip(logs, lengths, strict=True) if length},
        )

    async def put_sample(self, sample: Sample) -> None:
        """Write how groups and Redis stand, into the steps that are under way.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        value = msgspec.msgpack.encode(sample)
        async with translated_errors("write a sample of the mesh"):
            await execute(
                self._redis,
                *(
                    ("SET", _key(steps, begin_of(steps, sample.at_ms)), value, "EX", steps.kept_s + steps.step_s)
                    for steps in (SAMPLED_TENS, SAMPLED_FIVE_MINUTES)
                ),
            )

    async def samples(self, steps: Steps, begins_s: Sequence[int]) -> list[Sample | None]:
        """Return, for each step that begins at one of some times, the last sample that was taken in it.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("read samples of the mesh"):
            replies: Any = await self._redis.mget([_key(steps, begin_s) for begin_s in begins_s]) if begins_s else []
        return [None if reply is None else msgspec.msgpack.decode(reply, type=Sample) for reply in replies]


def begin_of(steps: Steps, moment_ms: int) -> int:
    """Return when the step began that a moment, in Unix milliseconds, is in: in Unix seconds."""
    return moment_ms // 1000 // steps.step_s * steps.step_s


def _key(steps: Steps, begin_s: int) -> str:
    return keys.statistics(steps.part, steps.step_s, begin_s)
