"""One log as a hub follows it: what continues it is delivered, anything else is read, and nothing is said twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis

from ipc.hub import feed as feed_module
from ipc.hub import portions
from ipc.hub.counters import Counters
from ipc.hub.feed import LogFeed
from ipc.hub.interest import Interest
from ipc.hub.loop_time import LoopTime
from ipc.hub.push import Push
from ipc.hub.session import Identity, Origin, Session
from ipc.hub.subscriptions import fall_behind
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.errors import UnavailableError
from ipc.protocol.limits import Limits
from ipc.stores import keys
from ipc.stores.eventlog import EventLog, NewEvent, Reading
from tests.ipc.peers import GUARD_S, RecordingPeer

LOG = "exprsn-herald"


class Follower:
    """A feed on the real log, with sessions, and pushes that a test makes of what it appends."""

    def __init__(self, eventlog: EventLog) -> None:
        self.eventlog = eventlog
        self.counters = Counters()
        self.tasks = OwnedTasks("test")
        self.feed = LogFeed(
            LOG, "0-0", eventlog, self.counters, self.tasks, loop_time=LoopTime(), fall_behind=fall_behind
        )

    async def append(self, *numbers: int, event: str = "post:created") -> Push:
        frames = [f'{{"type":"event","event":"{event}","data":{number}' for number in numbers]
        appended = await self.eventlog.append(LOG, [NewEvent("", event, frame) for frame in frames])
        return Push(LOG, appended.prev, appended.positions, [event] * len(frames), frames)

    def member(self, *patterns: str, limits: Limits | None = None) -> RecordingPeer:
        peer = RecordingPeer()
        session = Session(
            peer,
            Identity(service=LOG, permissions=frozenset({"*"})),
            Origin(door="test", pid=1, hostname="host"),
            limits or Limits(),
            on_close=self._left,
        )
        interest = Interest()
        interest.add(patterns)
        self.feed.live[session] = interest
        return peer

    def _left(self, session: Session) -> None:
        self.feed.live.pop(session, None)

    async def caught_up(self) -> None:
        async with asyncio.timeout(GUARD_S):
            while self.feed._catch_up is not None:
                await asyncio.wait([self.feed._catch_up])


@pytest.fixture
async def follower(eventlog: EventLog) -> AsyncIterator[Follower]:
    follower = Follower(eventlog)
    yield follower
    await follower.tasks.close()
    for session in list(follower.feed.live):
        await session.ended()


async def hears(peer: RecordingPeer, numbers: Sequence[int]) -> None:
    await peer.until(lambda: len(peer.events) >= len(numbers))
    assert [event["data"] for event in peer.events] == list(numbers)


async def test_a_push_that_continues_is_delivered_without_a_look_at_the_log(follower: Follower) -> None:
    peer = follower.member("*")
    push = await follower.append(0, 1)
    follower.feed.offer(push)
    assert (follower.feed.cursor, follower.feed.is_behind) == (push.positions[-1], False)
    await hears(peer, [0, 1])
    assert follower.counters.gaps_found == 0


async def test_an_event_says_its_log_and_its_position(follower: Follower) -> None:
    peer = follower.member("*")
    push = await follower.append(0)
    follower.feed.offer(push)
    await hears(peer, [0])
    assert [(event["log"], event["position"]) for event in peer.events] == [(LOG, push.positions[0])]


async def test_a_push_that_repeats_is_passed_over(follower: Follower) -> None:
    peer = follower.member("*")
    first, second = await follower.append(0), await follower.append(1)
    for push in (first, first, second, first, second):
        follower.feed.offer(push)
    await hears(peer, [0, 1])
    assert (follower.counters.gaps_found, follower.feed.is_behind) == (0, False)


async def test_a_push_that_does_not_continue_is_read_from_the_log(follower: Follower) -> None:
    peer = follower.member("*")
    await follower.append(0, 1)
    push = await follower.append(2)
    follower.feed.offer(push)
    assert follower.feed.is_behind
    await follower.caught_up()
    await hears(peer, [0, 1, 2])
    assert (follower.counters.gaps_found, follower.feed.cursor) == (1, push.positions[-1])


async def test_pushes_in_another_order_arrive_in_the_order_of_the_log(follower: Follower) -> None:
    peer = follower.member("*")
    pushes = [await follower.append(number) for number in range(5)]
    for index in (3, 0, 4, 1, 2):
        follower.feed.offer(pushes[index])
    await follower.caught_up()
    await hears(peer, range(5))


async def test_a_push_that_overlaps_gives_only_what_is_new(follower: Follower) -> None:
    """Another hub may have joined pushes that came one by one here."""
    peer = follower.member("*")
    first, second = await follower.append(0), await follower.append(1)
    follower.feed.offer(first)
    joined = Push(
        LOG, first.prev, first.positions + second.positions, first.events + second.events, first.frames + second.frames
    )
    follower.feed.offer(joined)
    await follower.caught_up()
    await hears(peer, [0, 1])


async def test_a_push_without_frames_is_read_from_the_log(follower: Follower) -> None:
    peer = follower.member("*")
    push = await follower.append(0, 1)
    push.frames = []
    follower.feed.offer(push)
    await follower.caught_up()
    await hears(peer, [0, 1])


async def test_catching_up_goes_on_over_many_pages(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over what is appended while it reads."""
    monkeypatch.setattr(portions, "READ_COUNT", 3)
    peer = follower.member("*")
    await follower.append(*range(50))
    follower.feed.reached((await follower.append(50)).positions[0])
    follower.feed.reached((await follower.append(51)).positions[0])
    await follower.caught_up()
    await hears(peer, range(52))
    assert follower.counters.gaps_found == 1


async def test_large_events_are_read_in_small_pages(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of them that an outbox cannot hold them all still reach a session that reads."""
    pages: list[int] = []
    read = EventLog.read

    async def noted(eventlog: EventLog, log: str, *, after: str, until: str = "+", count: int = 500) -> Reading:
        reading = await read(eventlog, log, after=after, until=until, count=count)
        pages.append(sum(len(entry.frame) for entry in reading.entries))
        return reading

    monkeypatch.setattr(EventLog, "read", noted)
    frame = '{"type":"event","event":"a:b","data":"' + "x" * (250 * 1024) + '"'
    positions: list[str] = []
    for _ in range(10):
        positions += (await follower.eventlog.append(LOG, [NewEvent("", "a:b", frame)] * 4)).positions
    follower.feed.reached(positions[-1])
    await follower.caught_up()
    assert sum(pages) == 40 * len(frame)
    assert max(pages) <= portions.READ_BYTES


async def test_each_session_gets_what_it_wants(follower: Follower) -> None:
    everything, posts, users, nothing = (follower.member(pattern) for pattern in ("*", "post:*", "user:*", "x:y"))
    post, user = await follower.append(0), await follower.append(1, event="user:updated")
    mixed = Push(LOG, post.prev, post.positions + user.positions, post.events + user.events, post.frames + user.frames)
    follower.feed.offer(mixed)
    await hears(everything, [0, 1])
    await hears(posts, [0])
    await hears(users, [1])
    assert nothing.frames == []
    assert follower.counters.events_delivered == 4


async def test_a_session_that_is_closed_while_it_is_delivered_to_disturbs_nobody(follower: Follower) -> None:
    slow = follower.member("*", limits=Limits(outbox_bytes=10))
    well = follower.member("*")
    follower.feed.offer(await follower.append(*range(100)))
    assert await slow.close_code() == 4429
    await hears(well, range(100))
    assert len(follower.feed.live) == 1


async def test_a_log_that_was_trimmed_before_it_was_read_sends_the_sessions_away(
    follower: Follower, redis_client: Redis
) -> None:
    """Each finds out on its return that it cannot recover everything; none is given a part."""
    peer = follower.member("*")
    follower.feed.offer(await follower.append(0))
    await hears(peer, [0])
    await follower.append(1, 2)
    push = await follower.append(3)
    await redis_client.xtrim(keys.log(LOG), maxlen=1, approximate=False)
    follower.feed.offer(push)
    assert await peer.close_code() == 4429
    await follower.caught_up()
    assert [event["data"] for event in peer.events] == [0]
    assert (follower.counters.logs_lost_track, follower.feed.cursor) == (1, push.positions[-1])
    newcomer = follower.member("*")
    follower.feed.offer(await follower.append(4))
    await hears(newcomer, [4])


async def test_a_quiet_log_whose_events_grew_old_loses_nobody(follower: Follower, redis_client: Redis) -> None:
    peer = follower.member("*")
    follower.feed.offer(await follower.append(0))
    await redis_client.xtrim(keys.log(LOG), maxlen=0, approximate=False)
    await follower.append(1)
    follower.feed.offer(await follower.append(2))
    await follower.caught_up()
    await hears(peer, [0, 1, 2])
    assert peer.closed is None


async def test_a_catch_up_that_fails_is_tried_again(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next push or reconcile; nothing is skipped."""
    peer = follower.member("*")
    first, second = await follower.append(0), await follower.append(1)

    async def fail(*_: object, **__: object) -> None:
        raise UnavailableError("no Redis")

    with monkeypatch.context() as patched:
        patched.setattr(EventLog, "read", fail)
        follower.feed.offer(second)
        with pytest.raises(UnavailableError):
            await follower.feed.reach(second.positions[0])
    assert (follower.counters.catch_ups_failed, follower.feed.cursor, follower.feed.is_behind) == (1, "0-0", False)
    follower.feed.reached(second.positions[0])
    await follower.caught_up()
    await hears(peer, [0, 1])
    assert follower.feed.cursor != first.positions[0]


async def test_reaching_a_position_waits_for_it(follower: Follower) -> None:
    positions = (await follower.append(*range(5))).positions
    async with asyncio.timeout(GUARD_S):
        await follower.feed.reach(positions[2])
        await follower.feed.reach(positions[0])
    assert follower.feed.cursor in positions[2:]


async def test_large_pieces_go_one_by_one(follower: Follower) -> None:
    """A batch that would make one huge frame is divided into its messages."""
    peer = follower.member("*")
    large = '{"type":"event","event":"a:b","data":"' + "x" * (feed_module.MAX_TEXT_BYTES - 1_000) + '"'
    appended = await follower.eventlog.append(LOG, [NewEvent("", "a:b", large)] * 3)
    follower.feed.offer(Push(LOG, appended.prev, appended.positions, ["a:b"] * 3, [large] * 3))
    await peer.until(lambda: len(peer.events) == 3)
    assert [event["position"] for event in peer.events] == appended.positions
