"""Replays: a part of a log, delivered to one group again, step by step, each as far as whoever asked for it has seen.

Events go into the group's own log, as dead letters that are redriven do, so nobody else gets them; each says by which
replay it comes. A replay is where its hash in Redis says. So a step that is asked for twice is made once, and a replay
whose operator has gone away waits until somebody goes on with it or ends it.
"""

import time
from enum import StrEnum
from importlib import resources
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, ConflictError
from ipc.protocol.ids import new_ulid
from ipc.protocol.marks import replayed
from ipc.protocol.messages import ReplayMark
from ipc.protocol.positions import position_key
from ipc.protocol.routing import own_log
from ipc.stores import keys
from ipc.stores.connection import Script, run_script, translated_errors
from ipc.stores.dead_letters import MAX_DEAD
from ipc.stores.eventlog import Entry, EventLog
from ipc.stores.group_definitions import GroupDefinitions
from ipc.stores.groups import group_rows
from ipc.stores.log_pages import read_part
from ipc.stores.replay_span import Choice, Span
from ipc.stores.stream_scan import Range

STEP: Final = 200
STEP_BYTES: Final = 1024 * 1024
KEPT_S: Final = 7 * 86_400
_REPLAY: Final = Script(resources.files("ipc.stores").joinpath("scripts/replay.lua").read_text())


class State(StrEnum):
    """How a replay is doing."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class Replay(msgspec.Struct, kw_only=True):
    """A replay and how far it is; times in Unix milliseconds, ``by`` is who has asked for it.

    ``looked`` counts events of the log, ``moved`` those among them that the group gets again.
    """

    id: str
    log: str
    first: str
    last: str
    pattern: str
    most: int
    again: bool
    by: str
    state: State
    cursor: str
    moved: int
    looked: int
    began_ms: int
    changed_ms: int

    @property
    def is_running(self) -> bool:
        """Whether there is more to do."""
        return self.state is State.RUNNING

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1: by the time of the log, or by the number of events if that is more."""
        if not self.is_running:
            return 1.0
        first, last, at = (position_key(end)[0] for end in (self.first, self.last, self.cursor))
        by_time = (at - first) / (last - first) if last > first else 0.0
        return min(0.99, max(0.0, by_time, self.moved / self.most))


class Replays:
    """The replays of one Redis, one for each group at a time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def latest(self, service: str, group: str) -> Replay | None:
        """Return the replay of a group that runs or was the last, if that was within a week.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read the replay of {group}"):
            fields: Any = await self._redis.hgetall(keys.replay(service, group))
        texts = {name.decode(): value.decode() for name, value in fields.items()}
        return msgspec.convert(texts, Replay, strict=False) if texts else None

    async def begin(self, service: str, group: str, span: Span, *, by: str) -> Replay:
        """Write down that a part of a log is to be replayed; `step` does it.

        Raises:
            ConflictError: another replay of the group is running.
            BadMessageError: NOT_FOUND, there is no such group.
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"look for group {group}"):
            if not await group_rows(self._redis, own_log(service, group)):
                raise BadMessageError(f"there is no group {group} of {service}", code=ErrorCode.NOT_FOUND)
        before = await self.latest(service, group)
        if before is not None and before.is_running:
            raise ConflictError(f"a replay into {group} by {before.by} is running: let it end, or cancel it first")
        now_ms = time.time_ns() // 1_000_000
        first, last = await self._ends(span)
        replay = Replay(
            id=new_ulid(),
            log=span.log,
            first=first,
            last=last,
            pattern=span.pattern,
            most=span.most,
            again=span.again,
            by=by,
            state=State.RUNNING,
            cursor="0-0",
            moved=0,
            looked=0,
            began_ms=now_ms,
            changed_ms=now_ms,
        )
        await self._write(service, group, replay)
        return replay

    async def step(self, service: str, group: str, replay_id: str) -> Replay:
        """Go on with a replay for at most 200 events or about a MiB of the log, and return how far it is then.

        Raises:
            BadMessageError: NOT_FOUND, there is no such replay, or not any more.
            UnavailableError: Redis is out of reach; the step may have been made.

        """
        replay = await self._get(service, group, replay_id)
        if not replay.is_running:
            return replay
        entries, is_whole = await self._read(replay)
        (definitions,) = await GroupDefinitions(self._redis).definitions([f"{service}/{group}"])
        choice = Choice.of(replay.pattern, definitions)
        mark = ReplayMark(id=replay.id, again=replay.again)
        words: list[str | int] = []
        left, cursor, looked = replay.most - replay.moved, replay.cursor, 0
        for entry in entries:
            cursor, looked = entry.position, looked + 1
            if entry.frame and await choice.holds_for(entry):
                words += (entry.position, looked, entry.event, replayed(entry.frame, mark))
                left -= 1
            if not left:
                break
        is_done = not left or (is_whole and looked == len(entries))
        state = State.DONE if is_done else State.RUNNING
        told: list[str | int] = [MAX_DEAD, replay.id, replay.cursor, cursor, state, looked, time.time_ns() // 1_000_000]
        streams = [keys.log(own_log(service, group)), keys.replay(service, group)]
        async with translated_errors(f"replay into group {group}"):
            await run_script(self._redis, _REPLAY, streams, [*told, *words])
        return await self._get(service, group, replay_id)

    async def cancel(self, service: str, group: str, replay_id: str) -> Replay:
        """End a replay where it is; what the group was given already stays there.

        Raises:
            BadMessageError: NOT_FOUND, there is no such replay, or not any more.
            UnavailableError: Redis is out of reach.

        """
        replay = await self._get(service, group, replay_id)
        if replay.is_running:
            async with translated_errors(f"cancel the replay into {group}"):
                await self._redis.hset(keys.replay(service, group), "state", State.CANCELLED)
        return await self._get(service, group, replay_id)

    async def _get(self, service: str, group: str, replay_id: str) -> Replay:
        replay = await self.latest(service, group)
        if replay is None or replay.id != replay_id:
            raise BadMessageError(
                f"there is no replay {replay_id[:64]} into {group} of {service}, or not any more",
                code=ErrorCode.NOT_FOUND,
            )
        return replay

    async def _ends(self, span: Span) -> tuple[str, str]:
        """Return where the first event of a span is, so that its share can be told, and where the last one can be."""
        (end,) = await EventLog(self._redis).last_positions([span.log])
        async with translated_errors(f"look into {span.log}"):
            rows: Any = await self._redis.xrange(keys.log(span.log), min=span.first, count=1)
        first = rows[0][0].decode() if rows else end
        return first, end if span.last == "+" else _whole(span.last)

    async def _read(self, replay: Replay) -> tuple[list[Entry], bool]:
        first = replay.first if replay.cursor == "0-0" else f"({replay.cursor}"
        part = Range(first=first, last=replay.last)
        page = await read_part(self._redis, keys.log(replay.log), part, count=STEP, size=STEP_BYTES)
        return page.entries, page.is_whole

    async def _write(self, service: str, group: str, replay: Replay) -> None:
        fields = {
            name: int(value) if isinstance(value, bool) else value
            for name, value in msgspec.to_builtins(replay).items()
        }
        key = keys.replay(service, group)
        async with translated_errors(f"begin a replay into {group}"), self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            pipe.hset(key, mapping=fields)
            pipe.expire(key, KEPT_S)
            await pipe.execute()


def _whole(end: str) -> str:
    return end if "-" in end else f"{end}-{2**64 - 1}"
