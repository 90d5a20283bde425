"""Conditions and shapes of live subscriptions: what is chosen, what arrives, and what is refused."""

import gc
from typing import Any

import pytest

from ipc.hub import terms as terms_module
from ipc.hub.hub import Hub
from ipc.hub.terms import MAX_FILTERED
from ipc.jsonlex import compile_where
from tests.ipc.members import Member

POPULAR = {"$gt": [{"$var": "data.likes"}, 10]}
ID_ONLY = {"id": {"$var": "data.id"}}
BROKEN = {"$gt": [{"$var": "data.likes"}, "ten"]}
EVERYTHING = {"broadcast": "0-0"}


def likes(count: Any) -> dict[str, Any]:
    return {"$eq": [{"$var": "data.likes"}, count]}


def post(number: int, count: Any, **members: Any) -> dict[str, Any]:
    return {"id": number, "likes": count, **members}


# What is chosen


@pytest.mark.parametrize("since", [None, EVERYTHING])
async def test_where_chooses_live_and_in_a_replay(hub: Hub, since: Any) -> None:
    emitter, member = Member(hub), Member(hub)
    if since is None:
        await member.subscribe("post:*", where=POPULAR)
    for number in range(6):
        await emitter.emit(data=post(number, 4 * number))
    if since is not None:
        await member.subscribe("post:*", where=POPULAR, since=since)
    assert [data["id"] for data in await member.hears(3)] == [3, 4, 5]
    assert await member.is_well()
    assert len(member.heard) == 3


async def test_a_condition_sees_all_that_the_emitter_and_the_hub_have_said(hub: Hub) -> None:
    member, emitter = Member(hub), Member(hub, "timeline")
    seen = {
        name: {"$var": name} for name in ("id", "event", "source", "target", "data", "ts", "meta", "log", "position")
    }
    await member.subscribe("post:*", select=seen)
    await emitter.emit(data=[1], meta={"tenant": "a"}, target=["herald", "spark"], id="e1")
    await member.hears(1)
    event = member.peer.events[0]
    assert event["data"] == {
        "id": "e1",
        "event": "post:created",
        "source": "exprsn-timeline",
        "target": event["target"],
        "data": [1],
        "ts": event["ts"],
        "meta": {"tenant": "a"},
        "log": None,
        "position": None,
    }


async def test_where_may_ask_for_what_is_not_there(hub: Hub) -> None:
    """Missing members are null, and a comparison with null is false, which is no failure."""
    member = Member(hub)
    await member.subscribe("post:*", where=POPULAR)
    for data in list[Any]((None, 5, "text", [], {}, {"likes": None})):
        await member.emit(data=data)
    await member.emit(data=post(1, 11))
    assert await member.hears(1) == [post(1, 11)]
    assert hub.counters.filters_failed == 0


async def test_the_same_pattern_again_has_the_new_terms(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("post:*", where=likes(1))
    await member.subscribe("post:*", where=likes(2), select=ID_ONLY)
    await member.emit(data=post(1, 1))
    await member.emit(data=post(2, 2))
    assert await member.hears(1) == [{"id": 2}]
    await member.subscribe("post:*")
    await member.emit(data=post(3, 3))
    assert await member.hears(2) == [{"id": 2}, post(3, 3)]


async def test_an_event_comes_once_as_the_first_subscription_that_wants_it_has_it(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("post:created", where=likes(1), select={"first": {"$var": "data.id"}})
    await member.subscribe("*:created", where=POPULAR, select={"second": {"$var": "data.id"}})
    await member.subscribe("post:*", select={"third": {"$var": "data.id"}})
    await member.subscribe("*")
    for number, count in enumerate([1, 11, 5]):
        await member.emit(data=post(number, count))
    await member.emit("user:updated", 4)
    assert await member.hears(4) == [{"first": 0}, {"second": 1}, {"third": 2}, 4]


async def test_several_subscriptions_may_begin_at_one_place(hub: Hub) -> None:
    """One after the other they would each bring their events of the past, and not in order."""
    member, emitter = Member(hub), Member(hub)
    for number in range(10):
        await emitter.emit("post:created" if number % 2 else "user:updated", post(number, number))
    await member.subscribe(
        "post:*",
        where={"$gt": [{"$var": "data.likes"}, 4]},
        also=[{"events": ["user:*"], "select": ID_ONLY}],
        since=EVERYTHING,
    )
    assert [data["id"] for data in await member.hears(8)] == [0, 2, 4, 5, 6, 7, 8, 9]
    assert member.heard[0] == {"id": 0}


async def test_taken_back_is_filtered_no_more(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("post:*", where=likes(1))
    await member.subscribe("*:created", where=likes(2))
    await member.ask(type="unsubscribe", events=["post:*"])
    for number in (1, 2):
        await member.emit(data=post(number, number))
    assert await member.hears(1) == [post(2, 2)]


# What arrives


async def test_select_replaces_the_data_and_nothing_else(hub: Hub) -> None:
    plain, member = Member(hub), Member(hub)
    await plain.subscribe("post:*")
    await member.subscribe("post:*", select=ID_ONLY)
    hostile = {"id": ',"data":"x"', "data": {"data": 1}, "ü": "\u2028"}
    await member.emit(data=hostile, meta={"data": [1]}, id='"data":', traceparent="00-1-2-03")
    await plain.hears(1)
    assert await member.hears(1) == [{"id": ',"data":"x"'}]
    whole, shaped = plain.peer.events[0], member.peer.events[0]
    assert whole["data"] == hostile
    assert {**whole, "data": None} == {**shaped, "data": None}
    assert list(whole) == list(shaped)


async def test_a_select_that_fails_brings_the_event_whole(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("post:*", select={"$add": [{"$var": "data.likes"}, 1]})
    await member.emit(data=post(1, "many"))
    await member.emit(data=post(2, 2))
    assert await member.hears(2) == [post(1, "many"), 3]
    first, second = member.peer.events
    assert (first["select_error"], "select_error" in second) == ({"code": "JSONLEX_TYPE"}, False)
    assert hub.counters.filters_failed == 1


async def test_a_where_that_fails_chooses_nothing_and_is_counted(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """For the subscription that has it, with one line of log however often it happens."""
    member, other = Member(hub), Member(hub)
    await member.subscribe("post:*", where=BROKEN)
    await other.subscribe("post:*")
    for number in range(5):
        await member.emit(data=post(number, number))
    await other.hears(5)
    assert await member.is_well()
    assert member.heard == []
    assert member.session.patterns["post:*"].failures == hub.counters.filters_failed == 5
    lines = [record.getMessage() for record in caplog.records if "fails on post:created" in record.getMessage()]
    assert len(lines) == 1
    assert member.session.instance in lines[0]


async def test_equal_conditions_are_one(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one of them makes of an event is known for all, also when it fails; each subscription counts for itself."""
    evaluated: list[Any] = []
    monkeypatch.setattr(terms_module, "compile_where", lambda *args: _Spy(compile_where(*args), evaluated))
    members = [Member(hub) for _ in range(5)]
    for member in members:
        await member.subscribe("post:*", where={"$or": [BROKEN, likes("equal")]})
    await members[0].emit(data=post(1, 1))
    for member in members:
        assert await member.is_well()
        assert member.session.patterns["post:*"].failures == 1
    assert len(evaluated) == 1


class _Spy:
    def __init__(self, predicate: Any, evaluated: list[Any]) -> None:
        self._predicate, self._evaluated = predicate, evaluated

    def matches(self, context: Any) -> bool:
        self._evaluated.append(context)
        return bool(self._predicate.matches(context))


async def test_compiled_terms_go_with_the_last_session_that_has_them(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("post:*", where=likes("kept"), select={"kept": {"$var": "data"}})
    kept = set(terms_module._conditions) | {content for content, _ in terms_module._shapes}
    assert sum(b"kept" in content for content in kept) == 2
    await hub.detach(member.session)
    await hub.described()
    del member
    gc.collect()
    left = set(terms_module._conditions) | {content for content, _ in terms_module._shapes}
    assert not any(b"kept" in content for content in left)


async def test_a_plain_session_hears_the_same_beside_filtered_ones(hub: Hub) -> None:
    plain, filtered = Member(hub), Member(hub)
    await filtered.subscribe("post:*", where=likes(3))
    await plain.subscribe("*")
    await plain.say(*({"type": "emit", "event": "post:created", "data": post(n, n)} for n in range(50)))
    assert [data["id"] for data in await plain.hears(50)] == list(range(50))
    assert await filtered.hears(1) == [post(3, 3)]


# What is refused


@pytest.mark.parametrize(
    ("members", "code", "details"),
    [
        ({"where": {"$equals": [1, 1]}}, "JSONLEX_INVALID", {"pointer": "/$equals", "in": "where"}),
        ({"where": {"visibility": "public"}}, "JSONLEX_INVALID", {"pointer": "", "in": "where"}),
        ({"select": {"a": {"$var": 1}}}, "JSONLEX_INVALID", {"pointer": "/a/$var", "in": "select"}),
        ({"where": {"$in": [1, [0] * 1_200]}}, "JSONLEX_TOO_LARGE", {"pointer": "", "in": "where", "limit": 1_000}),
        ({"select": "x" * 9_000}, "JSONLEX_TOO_LARGE", {"pointer": "", "in": "select", "limit": 8_192}),
        ({"also": [{"events": ["b:c"], "where": 5}]}, "JSONLEX_INVALID", {"pointer": "", "in": "where"}),
        ({"also": [{"events": ["no pattern"]}]}, "INVALID_PATTERN", None),
        ({"also": [{"events": []}]}, "INVALID_MESSAGE", None),
        ({"also": [], "group": "notify"}, "INVALID_MESSAGE", None),
    ],
)
async def test_what_is_wrong_is_said_at_once_and_changes_nothing(
    hub: Hub, members: dict[str, Any], code: str, details: Any
) -> None:
    member = Member(hub)
    await member.subscribe("post:*", where=likes(1))
    error = await member.ask(type="subscribe", events=["post:*"], **members)
    assert (error["type"], error["code"], error.get("details")) == ("error", code, details)
    await member.emit(data=post(1, 1))
    assert await member.hears(1) == [post(1, 1)]


async def test_a_filter_needs_no_more_permission_than_its_pattern(hub: Hub) -> None:
    member = Member(hub, permissions=["subscribe:post:*", "emit:*"])
    await member.subscribe("post:*", where=likes(1))
    error = await member.ask(type="subscribe", events=["post:*"], also=[{"events": ["user:*"]}])
    assert (error["code"], error["details"]) == ("FORBIDDEN", {"needed": "subscribe:user:*"})


async def test_a_session_has_so_many_filters(hub: Hub) -> None:
    member = Member(hub)
    for number in range(MAX_FILTERED):
        await member.subscribe(f"post:n{number}", where=likes(number))
    error = await member.ask(type="subscribe", events=["post:more"], select=ID_ONLY)
    assert (error["code"], error["details"]) == ("TOO_MANY_SUBSCRIPTIONS", {"limit": MAX_FILTERED})
    await member.subscribe("post:n0", where=likes("another"))
    await member.subscribe("post:more")
    await member.ask(type="unsubscribe", events=["post:n1"])
    await member.subscribe("post:n1", select=ID_ONLY)
