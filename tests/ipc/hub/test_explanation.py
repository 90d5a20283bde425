"""Why somebody would get an event, or not: each reason, from plain values."""

from typing import Any

import pytest

from ipc.hub.explanation import Supposed, group_verdict, judge, live_verdict
from ipc.protocol.delivery_status import DEFINITION_SLACK_MS, Definition
from ipc.protocol.discovery import Hearing
from ipc.stores.group_states import GroupState
from ipc.stores.registry import Registration

EVENT = Supposed("post:created", ("broadcast",), {"event": "post:created", "data": {"n": 1, "text": "a"}})
IS_ONE = {"$eq": [{"$var": "data.n"}, 1]}
IS_TWO = {"$eq": [{"$var": "data.n"}, 2]}
FAILS = {"$gt": [{"$var": "data.text"}, 1]}


def hearing(*events: str, **options: Any) -> Hearing:
    return Hearing(events=events or ("post:*",), **options)


def instance(*hears: Hearing, permissions: tuple[str, ...] = ("*",)) -> Registration:
    return Registration(
        instance="exprsn-herald:01",
        session="s1",
        service="exprsn-herald",
        hub="h1",
        door="test",
        pid=1,
        hostname="host",
        registered_ms=1,
        last_seen_ms=2,
        last_activity_ms=2,
        hears=hears,
        permissions=permissions,
    )


def group(*, hubs: int = 1, pending: int = 0, lag: int | None = 0) -> GroupState:
    return GroupState(
        service="exprsn-herald",
        group="notify",
        hubs=hubs,
        pending=pending,
        lag=lag,
        oldest_pending_ms=None,
        lost=2,
        dead=3,
    )


@pytest.mark.parametrize(
    ("subscription", "gets", "reason"),
    [
        (hearing(), True, "match"),
        (hearing("user:*", "post:created"), True, "match"),
        (hearing("user:*"), False, "pattern"),
        (hearing(where=IS_ONE), True, "match"),
        (hearing(where=IS_TWO), False, "where"),
        (hearing(where=FAILS), False, "where_failed"),
        (hearing(where={"$nothing": 1}), False, "where_failed"),
        (hearing(select={"$var": "data.n"}), True, "match"),
        (hearing(select=FAILS), True, "select_failed"),
        (hearing(where=IS_TWO, select=FAILS), False, "where"),
        (hearing(is_cut=True), None, "unknown"),
        (hearing("user:*", is_cut=True), False, "pattern"),
    ],
)
def test_what_one_subscription_makes_of_it(subscription: Hearing, gets: bool | None, reason: str) -> None:
    judgement = judge(subscription, EVENT)
    assert (judgement.gets, judgement.reason) == (gets, reason)


@pytest.mark.parametrize(
    ("hears", "reason"),
    [
        ((), "not_subscribed"),
        ((hearing(group="notify"),), "not_subscribed"),
        ((hearing("user:*"), hearing(where=IS_TWO)), "where"),
        ((hearing(where=IS_TWO), hearing("post:created")), "match"),
        ((hearing(where=IS_TWO), hearing(is_cut=True)), "unknown"),
    ],
)
def test_the_subscription_that_gets_furthest_speaks_for_an_instance(hears: tuple[Hearing, ...], reason: str) -> None:
    assert live_verdict(instance(*hears), EVENT).reason == reason


@pytest.mark.parametrize(("permissions", "reason"), [(("subscribe:user:*",), "permission"), ((), "pattern")])
def test_who_may_not_hear_it_is_told_so(permissions: tuple[str, ...], reason: str) -> None:
    """Unless it is not known what it may."""
    assert live_verdict(instance(hearing("user:*"), permissions=permissions), EVENT).reason == reason


def test_what_is_subscribed_was_allowed() -> None:
    assert live_verdict(instance(hearing(), permissions=("subscribe:user:*",)), EVENT).gets


def test_an_event_for_others_is_not_looked_at() -> None:
    for_spark = Supposed("post:created", ("exprsn-spark",), {})
    assert live_verdict(instance(hearing()), for_spark).reason == "target"
    assert group_verdict(group(), [Definition(1, ("post:*",), 6)], for_spark).reason == "target"


def test_a_group_says_what_is_before_the_event() -> None:
    wants = [Definition(1, ("post:*",), 6)]
    verdict = group_verdict(group(pending=2, lag=3), wants, EVENT)
    assert (verdict.gets, verdict.ahead, verdict.offline, verdict.lost, verdict.dead) == (True, 5, False, 2, 3)
    assert "5 events are before it" in verdict.text
    waits = group_verdict(group(hubs=0, lag=None), wants, EVENT)
    assert (waits.gets, waits.ahead, waits.offline) == (True, None, True)
    assert "waits in the log" in waits.text


def test_a_group_wants_what_was_said_lately() -> None:
    """What one hub said long ago does not count any more; hubs that differ now are not known."""
    old, now_ms = Definition(1_000, ("user:*",), 6), 1_000 + DEFINITION_SLACK_MS
    assert group_verdict(group(), [old, Definition(now_ms, ("post:*",), 6)], EVENT).gets
    assert group_verdict(group(), [old, Definition(now_ms - 1, ("post:*",), 6)], EVENT).reason == "unknown"
    assert group_verdict(group(), [], EVENT).reason == "unknown"
    assert group_verdict(group(hubs=0), [old], EVENT).reason == "pattern"


def test_a_group_has_conditions() -> None:
    narrowed = Definition(1, ("post:*",), 6, where='{"$eq":[{"$var":"data.n"},2]}')
    assert group_verdict(group(), [narrowed], EVENT).reason == "where"
