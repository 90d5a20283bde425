"""What a worker asks its hub to filter, and what it filters itself; handlers cannot tell the difference."""

from typing import Any

import pytest

from ipc import EventContext, IPCWorker
from ipc.hub.hub import Hub
from ipc.hub.terms import MAX_FILTERED
from ipc.jsonlex import JSONLexError
from ipc.protocol.messages import Subscription
from ipc.subscriptions import arranged
from ipc.testing import TestBus
from tests.ipc.conftest import StartWorker
from tests.ipc.handled import Handled

PUBLIC = {"$eq": [{"$var": "data.visibility"}, "public"]}
PRIVATE = {"$eq": [{"$var": "data.visibility"}, "private"]}
ID = {"$var": "data.id"}


def wants(*events: str, **members: Any) -> Subscription:
    return Subscription(events=list(events), **members)


def asked(*wanted: Subscription) -> tuple[list[Subscription], list[bool]]:
    arrangement = arranged(wanted, owner="test")
    return arrangement.subscriptions, [not terms.is_plain for terms in arrangement.terms]


def test_what_nobody_else_wants_the_hub_filters() -> None:
    posts, users = wants("post:*", where=PUBLIC), wants("user:*", select=ID)
    assert asked(posts, wants("report:*"), users) == ([wants("report:*"), posts, users], [False, False, False])


def test_what_others_want_in_another_way_is_filtered_here() -> None:
    public, private = wants("post:created", where=PUBLIC), wants("post:*", where=PRIVATE)
    assert asked(public, private, wants("user:*")) == ([wants("post:created", "post:*", "user:*")], [True, True, False])
    assert asked(public, wants("*")) == ([wants("post:created", "*")], [True, False])


def test_by_way_of_others_too() -> None:
    """The first two are alike, but an event of the second may be one of the third."""
    first, second, third = wants("a:*", where=PUBLIC), wants("*:b", where=PUBLIC), wants("c:*", where=PRIVATE)
    assert asked(first, third, second) == ([wants("a:*", "*:b", "c:*")], [True, True, True]) or asked(
        first, third, second
    ) == ([wants("a:*", "c:*", "*:b")], [True, True, True])


def test_those_that_want_the_same_share_a_subscription() -> None:
    one, other = wants("post:created", where=PUBLIC), wants("post:*", where=PUBLIC)
    assert asked(one, other) == ([wants("post:created", "post:*", where=PUBLIC)], [False, False])


def test_what_a_session_may_not_have_more_of_is_filtered_here() -> None:
    many = [wants(f"post:n{number}", where=PUBLIC) for number in range(MAX_FILTERED + 1)]
    subscriptions, here = asked(*many)
    assert subscriptions == [many[-1].__class__(events=many[-1].events), *many[:-1]]
    assert here == [False] * MAX_FILTERED + [True]


def test_without_handlers_nothing_is_asked_for() -> None:
    assert asked() == ([], [])


@pytest.mark.parametrize(
    "members", [{"where": {"visibility": "public"}}, {"select": {"$nope": 1}}, {"group": "g", "where": 1}]
)
def test_what_is_wrong_is_said_when_it_is_registered(members: dict[str, Any]) -> None:
    with pytest.raises(JSONLexError) as error:
        IPCWorker("herald").on("post:*", **members)
    assert error.value.details is not None
    assert error.value.details["in"] in members


def listening(handled: Handled, **other: Any) -> IPCWorker:
    """Return a worker with a handler that filters, and perhaps one that has to share its events."""
    worker = IPCWorker("herald")

    @worker.on("post:created", where=PUBLIC, select={"id": ID, "next": {"$add": [ID, 1]}})
    async def handle(data: Any, ctx: EventContext) -> None:
        await handled((data, ctx.select_error))

    if other:

        @worker.on("post:*", **other)
        async def hear_all(data: Any, ctx: EventContext) -> None:
            pass

    return worker


OTHERS: list[dict[str, Any]] = [{}, {"where": PRIVATE}, {"select": ID}, {"where": True}]


@pytest.mark.parametrize("other", OTHERS)
async def test_a_handler_gets_what_it_selects_of_what_it_chooses(
    hub: Hub, start: StartWorker, handled: Handled, other: dict[str, Any]
) -> None:
    await start(listening(handled, **other), hub)
    emitter = IPCWorker("timeline")
    await start(emitter, hub)
    public, private = {"visibility": "public"}, {"visibility": "private"}
    for data in ({"id": 1, **public}, {"id": 2, **private}, {"id": "x", **public}, None, {"id": 4, **public}):
        await emitter.emit("post:created", data)
    await handled.count(3)
    assert handled.data == [
        ({"id": 1, "next": 2}, None),
        ({"id": "x", **public}, "JSONLEX_TYPE"),
        ({"id": 4, "next": 5}, None),
    ]


@pytest.mark.parametrize("other", OTHERS)
async def test_the_test_bus_filters_alike(other: dict[str, Any]) -> None:
    handled = Handled()
    async with TestBus() as bus:
        await bus.start(listening(handled, **other))
        for number, visibility in enumerate(["public", "private", "public"]):
            await bus.emit("post:created", {"id": number, "visibility": visibility}, source="timeline")
        await bus.settled()
    assert [data["id"] for data, _ in handled.data] == [0, 2]


async def test_what_was_missed_is_filtered_too(hub: Hub, start: StartWorker, handled: Handled) -> None:
    """Both subscriptions go on from one position, in the order of the log."""
    worker, emitter = IPCWorker("herald"), IPCWorker("timeline")

    @worker.on("user:*", select=ID)
    @worker.on("post:*", where=PUBLIC)
    async def handle(data: Any, ctx: EventContext) -> None:
        await handled((ctx.event, data))

    await start(worker, hub)
    await start(emitter, hub)
    await emitter.emit("post:created", {"id": 0, "visibility": "public"})
    await handled.count(1)
    assert worker._link is not None
    await worker._link.pause()
    for number in range(1, 20):
        await emitter.emit("post:created", {"id": number, "visibility": "public" if number % 2 else "private"})
        await emitter.emit("user:updated", {"id": number})
    await worker._link.resume()
    await handled.count(30)
    assert [data for event, data in handled.data if event == "user:updated"] == list(range(1, 20))
    assert [data["id"] for event, data in handled.data if event == "post:created"] == [0, *range(1, 20, 2)]


async def test_the_members_of_a_group_get_what_the_group_wants() -> None:
    done: list[Any] = []
    worker = IPCWorker("herald")

    @worker.on("post:*", group="notify", where=PUBLIC, select=ID, retry={"backoff_ms": [1_000]})
    async def handle(data: Any, ctx: EventContext) -> None:
        done.append((data, ctx.attempt))
        if data == 3 and ctx.attempt == 1:
            raise ValueError(data)

    async with TestBus() as bus:
        await bus.start(worker)
        for number, visibility in enumerate(["public", "private", "private", "public"]):
            await bus.emit("post:created", {"id": number, "visibility": visibility}, source="timeline")
        await bus.settled()
        assert done == [(0, 1), (3, 1)]
        await bus.advance(2)
    assert done == [(0, 1), (3, 1), (3, 2)]
