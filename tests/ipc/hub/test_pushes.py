"""The fast path: hubs that know of each other push, a hub that is alone keeps its pushes to itself."""

import asyncio
from typing import Any

import pytest

from ipc.hub import pushes as pushes_module
from ipc.hub.counters import Counters
from ipc.hub.feed import LogFeed
from ipc.hub.push import Push
from ipc.hub.pushes import Pushes
from ipc.protocol.errors import UnavailableError
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import eventually
from tests.ipc.exchange import Exchange, ExchangeLayer
from tests.ipc.exchange import Message as LayerMessage
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S


async def test_a_hub_that_is_alone_on_a_log_spares_itself_its_pushes(make_hub: MakeHub) -> None:
    hub = await make_hub()
    member = Member(hub)
    await member.subscribe("*")
    await member.emit_numbers(range(3))
    assert await member.hears(3) == [0, 1, 2]
    await hub.logs.writer("broadcast").flushed()
    assert hub.counters.pushes_sent == 0
    assert hub.counters.pushes_spared > 0


async def test_hubs_that_follow_the_same_log_know_of_each_other(make_hub: MakeHub) -> None:
    """Whoever came first: the one asks, the other answers."""
    one, other = await make_hub(), await make_hub()
    here = Member(one)
    await here.subscribe("*")
    there = Member(other)
    await there.subscribe("*")
    await there.emit(data="there")
    assert await here.hears(1) == ["there"]
    await here.emit(data="here")
    assert await there.hears(2) == ["there", "here"]
    assert (one.counters.pushes_received, other.counters.pushes_received) == (1, 1)


async def test_hubs_on_different_logs_are_alone_there(make_hub: MakeHub, exchange: Exchange) -> None:
    one, other = await make_hub(), await make_hub()
    herald, spark = Member(one, "herald"), Member(other, "spark")
    await herald.subscribe("*")
    await spark.subscribe("*")
    await herald.emit(target="herald")
    await herald.hears(1)
    await one.logs.writer("exprsn-herald").flushed()
    assert one.counters.pushes_spared == 1
    await spark.emit(data="over", target="herald")
    assert (await herald.hears(2))[-1] == "over"


async def test_a_hub_that_fell_silent_is_forgotten(make_hub: MakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = await make_hub(), await make_hub()
    here, there = Member(one), Member(other)
    await here.subscribe("*")
    await there.subscribe("*")
    await here.emit()
    await one.logs.writer("broadcast").flushed()
    assert one.counters.pushes_sent == 1
    monkeypatch.setattr(pushes_module, "PEER_TTL_S", -1.0)
    await here.emit()
    await one.logs.writer("broadcast").flushed()
    assert (one.counters.pushes_sent, one.counters.pushes_spared) == (1, 1)


async def test_a_greeting_says_what_was_kept_back_before_it(make_hub: MakeHub, exchange: Exchange) -> None:
    """Two hubs that did not know of each other are up to date once they do."""
    one, other = await make_hub(), await make_hub()
    here = Member(one)
    await here.subscribe("*")
    there = Member(other)
    channel = exchange.groups["ipc.broadcast"]
    (mine,) = channel
    # The other's greeting is lost on its way, so this hub believes to be alone.
    del channel[mine]
    await there.subscribe("*")
    channel[mine] = None
    await here.emit(data="kept back")
    await here.hears(1)
    assert there.heard == []
    await one._pushes.greet_all()
    assert await there.hears(1) == ["kept back"]


@pytest.mark.usefixtures("no_reconcile")
async def test_hubs_whose_greetings_are_late_lack_nothing_once_they_come(make_hub: MakeHub, exchange: Exchange) -> None:
    """Each kept its events to itself in the meantime, and the one that was greeted first tells of its own."""
    one, other = await make_hub(), await make_hub()
    here, there = Member(one), Member(other)
    exchange.holds_greetings = True
    await here.subscribe("*")
    await there.subscribe("*")
    await here.emit(data=0)
    await there.emit(data=1)
    assert await there.hears(2) == [0, 1]
    assert here.heard == [0]
    exchange.holds_greetings = False
    exchange.deliver_held()
    assert await here.hears(2) == [0, 1]


class BrokenLayer(ExchangeLayer):
    """A layer whose Redis is away for the first few calls."""

    def __init__(self, exchange: Exchange, *, failures: int) -> None:
        super().__init__(exchange)
        self.failures = failures

    async def new_channel(self) -> str:
        self._fail()
        return await super().new_channel()

    async def group_send(self, group: str, message: LayerMessage) -> None:
        self._fail()
        await super().group_send(group, message)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no Redis")


@pytest.fixture
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushes_module, "REJOIN_S", 0.01)


@pytest.mark.usefixtures("soon_again")
async def test_it_joins_again_until_the_layer_is_there(make_hub: MakeHub, exchange: Exchange) -> None:
    hub = await make_hub(layer=BrokenLayer(exchange, failures=3))
    member = Member(hub)
    async with asyncio.timeout(GUARD_S):
        while (await member.ask(type="subscribe", events=["*"]))["type"] == "error":
            pass
    assert hub.counters.listens_failed == 3
    neighbour = Member(await make_hub())
    await neighbour.subscribe("*")
    await neighbour.emit(data=1)
    assert await member.hears(1) == [1]


async def test_nobody_can_join_a_log_before_the_layer_is_there(exchange: Exchange) -> None:
    pushes = Pushes("h", exchange.layer(), {}, Counters())
    with pytest.raises(UnavailableError):
        await pushes.join("broadcast")


async def test_a_push_that_cannot_be_sent_is_an_error_for_its_writer(exchange: Exchange) -> None:
    feeds: dict[str, LogFeed] = {}
    pushes = Pushes("h", BrokenLayer(exchange, failures=1), feeds, Counters())
    with pytest.raises(UnavailableError):
        await pushes.publish(Push("broadcast", "0-0", ["1-0"], ["a:b"], ["{"]))


@pytest.mark.parametrize(
    "said",
    [
        {"type": "ipc.hello", "position": "", "asks": True},
        {"type": "ipc.hello", "position": 7, "asks": True},
        {"type": "ipc.push", "prev": "x", "positions": None, "events": 1, "frames": 2},
        {"type": "ipc.push"},
        {"type": "ipc.unheard"},
    ],
    ids=str,
)
async def test_what_a_hub_of_another_version_says_is_passed_over(make_hub: MakeHub, said: dict[str, Any]) -> None:
    """And what others say after it is heard."""
    one, other = await make_hub(), await make_hub()
    here, there = Member(one), Member(other)
    await here.subscribe("*")
    await there.subscribe("*")
    await one._pushes.tell_all({"hub": "third", "log": "broadcast", **said})

    async def is_passed_over() -> bool:
        return one.counters.pushes_unknown == other.counters.pushes_unknown == 1

    await eventually(is_passed_over)
    received = other.counters.pushes_received
    await here.emit()
    await there.hears(1)
    assert other.counters.pushes_received > received
    assert one.counters.chores_failed == other.counters.chores_failed == 0
