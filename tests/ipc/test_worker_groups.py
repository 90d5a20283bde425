"""Workers in durable groups, through real bridges: what a handler does, and what becomes of its event."""

import asyncio
import itertools
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc import EventContext, IPCWorker, Reject
from ipc.protocol.messages import Welcome
from ipc.stores.dead_letter import DeadLetter
from ipc.stores.dead_letter_filter import DeadLetterFilter
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.clients import attached
from tests.ipc import durable
from tests.ipc.durable import SERVICE
from tests.ipc.peers import GUARD_S
from tests.servers import ROOT, ServerProcess

pytestmark = pytest.mark.processes

SOON = {"backoff_ms": [1, 1]}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def bridges_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """The Redis of the bridges, which no test empties under them."""
    with EmbeddedValkey(tmp_path_factory.mktemp("groups-valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def bridges(bridges_valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    """Two bridges of one mesh, one behind each server."""
    certs_dir = servers.certificates(tmp_path_factory.mktemp("groups-certs"))
    found = [
        servers.bridge(kind, bridges_valkey.url, certs_dir, tmp_path_factory.mktemp(f"groups-{kind}"))
        for kind in servers.KINDS[:2]
    ]
    with found[0], found[1]:
        yield found
        assert not any("Traceback" in bridge.output() for bridge in found)


@pytest.fixture
async def redis(bridges_valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(bridges_valkey.url) as client:
        yield client


@pytest.fixture
def word() -> str:
    """The name of the test's own group, and what its own events begin with: the bridges know those of other tests."""
    return f"w{next(_numbers)}"


class Instance:
    """A worker with one handler, which keeps what it is given and then does what the test says."""

    def __init__(
        self, word: str, does: Callable[[EventContext], Awaitable[None]] | None = None, **options: Any
    ) -> None:
        self.worker = IPCWorker("herald")
        self.name = ""
        self.heard: list[tuple[Any, int]] = []
        self.at_work = self.most_at_work = 0
        self._changed = asyncio.Condition()

        @self.worker.hook("ready")
        def ready(welcome: Welcome) -> None:
            self.name = welcome.instance

        @self.worker.on(f"{word}:*", group=word, **options)
        async def handle(data: Any, ctx: EventContext) -> None:
            async with self._changed:
                self.heard.append((data, ctx.attempt))
                self.at_work += 1
                self.most_at_work = max(self.most_at_work, self.at_work)
                self._changed.notify_all()
            try:
                if does is not None:
                    await does(ctx)
            finally:
                self.at_work -= 1

    async def hears(self, count: int) -> list[tuple[Any, int]]:
        """Wait until it was given so many deliveries; return data and attempt of all."""
        async with asyncio.timeout(GUARD_S), self._changed:
            await self._changed.wait_for(lambda: len(self.heard) >= count)
        return self.heard


Attach = Callable[[Instance, int], Awaitable[Instance]]


@pytest.fixture
async def attach(bridges: list[ServerProcess]) -> AsyncIterator[Attach]:
    """Attach instances to the first or the second bridge until the test ends."""
    async with AsyncExitStack() as stack:

        async def attach(instance: Instance, bridge: int = 0) -> Instance:
            server = bridges[bridge]
            await instance.worker.start(WebSocketTransport(server.ws_url, "herald", ca_file=server.ca_file))
            stack.push_async_callback(instance.worker.stop, timeout_s=0.1)
            async with asyncio.timeout(GUARD_S):
                await instance.worker.ready()
            return instance

        yield attach


@pytest.fixture
async def timeline(bridges: list[ServerProcess]) -> AsyncIterator[IPCWorker]:
    """Who emits, through the second bridge."""
    worker = IPCWorker("timeline")
    await worker.start(WebSocketTransport(bridges[1].ws_url, "timeline", ca_file=bridges[1].ca_file))
    yield worker
    await worker.stop()


async def emit(timeline: IPCWorker, word: str, *data: Any, **options: Any) -> list[str]:
    async with asyncio.timeout(GUARD_S):
        await timeline.ready()
    return [await timeline.emit(f"{word}:made", item, target="herald", **options) for item in data]


async def all_done(redis: Redis, word: str) -> None:
    """Wait until nothing waits for an acknowledgement, and see that nothing has died."""
    await durable.all_acknowledged(Groups(redis), name=f"{SERVICE}/{word}")
    assert await DeadLetters(redis).count(SERVICE, word) == 0


async def letter(redis: Redis, word: str) -> DeadLetter:
    """Wait for the one dead letter of a group."""

    async def is_there() -> bool:
        return await DeadLetters(redis).count(SERVICE, word) > 0

    await durable.eventually(is_there)
    page = await DeadLetters(redis).find(DeadLetterFilter.of(service=SERVICE, group=word), limit=2)
    (buried,) = page.letters
    return buried.letter


async def test_what_returns_is_done(attach: Attach, timeline: IPCWorker, word: str, redis: Redis) -> None:
    """Although it may be answered for in any order."""
    gate = asyncio.Event()

    async def wait_for_the_last(ctx: EventContext) -> None:
        if len(herald.heard) == 3:
            gate.set()
        await gate.wait()

    herald = await attach(Instance(word, wait_for_the_last), 0)
    await emit(timeline, word, 0, 1, 2)
    assert await herald.hears(3) == [(0, 1), (1, 1), (2, 1)]
    await all_done(redis, word)
    assert len(herald.heard) == 3


async def test_what_raises_comes_again_with_the_number_of_its_attempt(
    attach: Attach, timeline: IPCWorker, word: str, redis: Redis
) -> None:
    async def fail_twice(ctx: EventContext) -> None:
        if ctx.attempt < 3:
            raise ValueError("not yet")

    herald = await attach(Instance(word, fail_twice, retry=SOON), 0)
    await emit(timeline, word, "a")
    assert await herald.hears(3) == [("a", 1), ("a", 2), ("a", 3)]
    await all_done(redis, word)


async def test_what_never_returns_well_becomes_a_dead_letter(
    attach: Attach, timeline: IPCWorker, word: str, redis: Redis
) -> None:
    async def fail(ctx: EventContext) -> None:
        raise ValueError(f"no mailbox at attempt {ctx.attempt}")

    herald = await attach(Instance(word, fail, retry=SOON), 0)
    await emit(timeline, word, "a")
    dead = await letter(redis, word)
    assert (dead.error, dead.attempts, dead.instance) == ("ValueError: no mailbox at attempt 3", 3, herald.name)
    assert "in fail" in dead.traceback
    await durable.all_acknowledged(Groups(redis), name=f"{SERVICE}/{word}")


async def test_what_is_rejected_is_a_dead_letter_at_once(
    attach: Attach, timeline: IPCWorker, word: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """And one line in the log, without a traceback."""

    async def reject(ctx: EventContext) -> None:
        raise Reject("no such user")

    herald = await attach(Instance(word, reject, retry=SOON), 0)
    await emit(timeline, word, "a")
    assert ((await letter(redis, word)).attempts, herald.heard) == (1, [("a", 1)])
    (record,) = [record for record in caplog.records if "a handler of" in record.message]
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert record.message.endswith(": no such user")


async def test_what_hangs_goes_to_another_instance(
    attach: Attach, timeline: IPCWorker, word: str, redis: Redis
) -> None:
    async def hang_at_first(ctx: EventContext) -> None:
        if ctx.attempt == 1:
            await asyncio.Event().wait()

    retry = {"ack_ms": 300, "backoff_ms": [1, 1]}
    heralds = [await attach(Instance(word, hang_at_first, retry=retry), 0) for _ in range(2)]
    await emit(timeline, word, "a")
    await asyncio.gather(*(herald.hears(1) for herald in heralds))
    assert sorted(attempt for herald in heralds for _, attempt in herald.heard) == [1, 2]
    await all_done(redis, word)


async def test_progress_keeps_a_delivery_alive(attach: Attach, timeline: IPCWorker, word: str, redis: Redis) -> None:
    """For longer than it would have had."""

    async def work_on(ctx: EventContext) -> None:
        for _ in range(8):
            await asyncio.sleep(0.25)
            ctx.progress()

    retry = {"ack_ms": 1_000, "backoff_ms": [1]}
    heralds = [await attach(Instance(word, work_on, retry=retry), 0) for _ in range(2)]
    await emit(timeline, word, "a")
    await all_done(redis, word)
    assert [heard for herald in heralds for heard in herald.heard] == [("a", 1)]


async def test_two_bridges_share_the_events_of_a_group(
    attach: Attach, timeline: IPCWorker, word: str, redis: Redis
) -> None:
    """Each takes what it has credit for, and together they take each event once."""
    gate = asyncio.Event()

    async def wait(ctx: EventContext) -> None:
        await gate.wait()

    heralds = [await attach(Instance(word, wait, credit=1), number) for number in range(2)]
    await emit(timeline, word, *range(20))
    await asyncio.gather(*(herald.hears(1) for herald in heralds))
    gate.set()
    await all_done(redis, word)
    heard = [*heralds[0].heard, *heralds[1].heard]
    assert sorted(heard) == [(number, 1) for number in range(20)]


async def test_no_more_is_at_work_than_the_credit(attach: Attach, timeline: IPCWorker, word: str, redis: Redis) -> None:
    gate = asyncio.Event()

    async def wait(ctx: EventContext) -> None:
        await gate.wait()

    herald = await attach(Instance(word, wait, credit=3), 0)
    await emit(timeline, word, *range(12))
    await herald.hears(3)
    gate.set()
    await herald.hears(12)
    await all_done(redis, word)
    assert (herald.most_at_work, len(herald.heard)) == (3, 12)


async def test_what_comes_while_nobody_is_there_is_delivered_on_return(
    attach: Attach, timeline: IPCWorker, word: str, redis: Redis
) -> None:
    """At another bridge, and also what the one that left was in the middle of."""
    begun = asyncio.Event()

    async def hang_in_the_second(ctx: EventContext) -> None:
        if len(first.heard) == 2:
            begun.set()
            await asyncio.Event().wait()

    first = await attach(Instance(word, hang_in_the_second, credit=1), 0)
    await emit(timeline, word, 0, 1)
    async with asyncio.timeout(GUARD_S):
        await begun.wait()
    await first.worker.stop(timeout_s=0.01)
    await emit(timeline, word, 2, 3)
    second = await attach(Instance(word, credit=1), 1)
    await second.hears(3)
    assert sorted(second.heard) == [(1, 2), (2, 1), (3, 1)]
    await all_done(redis, word)


async def test_a_credit_of_one_gives_the_order_of_the_log(
    attach: Attach, bridges: list[ServerProcess], word: str, redis: Redis
) -> None:
    """Of several publishers in processes of their own, at both bridges."""
    positions: list[str] = []

    async def note(ctx: EventContext) -> None:
        # Work of uneven length: two at the same time would come to an end in any order.
        await asyncio.sleep(random.random() / 500)  # noqa: S311 - no secret
        positions.append(ctx.position)

    herald = await attach(Instance(word, note, credit=1), 0)
    names, count = ("one", "two", "three"), 100
    publishers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.ipc.publisher_process", name, f"{word}:made", str(count)),
            cwd=ROOT,
            env={**os.environ, "BRIDGE_URL": bridge.ws_url, "IPC_CA_FILE": str(bridge.ca_file)},
            stdout=asyncio.subprocess.PIPE,
        )
        for name, bridge in zip(names, itertools.cycle(bridges))
    ]
    said = b"".join([(await publisher.communicate())[0] for publisher in publishers])
    await herald.hears(count * len(names))
    await all_done(redis, word)
    assert positions == sorted(said.decode().split(), key=lambda position: tuple(map(int, position.split("-"))))
    numbers = [data for data, _ in herald.heard]
    for name in names:
        assert [number for of, number in numbers if of == name] == list(range(count))


async def test_with_once_an_event_that_comes_by_two_logs_is_handled_once(
    attach: Attach, timeline: IPCWorker, word: str, redis: Redis
) -> None:
    """As it does when an emitter appends it again after the time for which ids are remembered."""
    herald = await attach(Instance(word, credit=1, once=True), 0)
    await emit(timeline, word, "a", id=f"{word}-a")
    await herald.hears(1)
    await all_done(redis, word)
    await timeline.emit(f"{word}:made", "a", id=f"{word}-a")
    await timeline.emit(f"{word}:made", "b", id=f"{word}-b")
    assert await herald.hears(2) == [("a", 1), ("b", 1)]
    await all_done(redis, word)


async def test_a_new_group_begins_at_since_and_a_forgotten_one_at_the_end(
    attach: Attach, bridges: list[ServerProcess], timeline: IPCWorker, word: str, redis: Redis
) -> None:
    """What was pending in the forgotten one is gone with it."""
    positions = await emit(timeline, word, 0, 1, 2)
    async with attached(bridges[0], "herald") as client:
        group: dict[str, Any] = {"type": "subscribe", "events": [f"{word}:*"], "group": word}
        joined = await client.ask(**group, since={SERVICE: positions[0]})
        assert (joined["type"], joined["recovered"]) == ("ok", True)
        assert [event["data"] for event in await client.events(2)] == [1, 2]
        left = await client.ask(type="unsubscribe", events=[], group=word, forget=True)
        assert left["type"] == "ok"
    herald = await attach(Instance(word, credit=1), 1)
    await emit(timeline, word, 3)
    assert await herald.hears(1) == [(3, 1)]
    await all_done(redis, word)
