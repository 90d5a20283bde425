"""Discovery from plain values: services by name, oldest instance first, and an answer that stays small."""

from dataclasses import replace
from typing import Any

from ipc.hub.discovery import MAX_ANSWER_BYTES, services_of
from ipc.protocol.discovery import Hearing, OwnerState
from ipc.stores.shares import EndpointShare, Share
from tests.contracts.test_registry import registration


def share(hub: str, *owners: OwnerState, **endpoint: Any) -> Share:
    told: dict[str, Any] = {
        "service": "exprsn-spark",
        "resource": "posts",
        "op": "read",
        "requests": 1,
        "errors": 0,
        "total_ms": 1.0,
        "last_error": "",
        "last_error_ms": 0,
        "buckets": [1],
    }
    return Share(hub=hub, endpoints=[EndpointShare(**(told | endpoint))], owners=list(owners))


def owner(hub: str, instance: str) -> OwnerState:
    return OwnerState(
        resource="posts",
        instance=instance,
        hub=hub,
        breaker="open",
        opens_in_ms=10,
        in_flight=1,
        limit=2,
        breaker_failures=5,
        breaker_pause_ms=5_000,
    )


def test_services_come_by_name_and_their_instances_by_age() -> None:
    young = replace(registration("exprsn-herald:02", "s2"), registered_ms=20)
    old = replace(registration("exprsn-herald:01"), registered_ms=10, last_seen_ms=30)
    found = services_of([young, registration("exprsn-atlas:03"), replace(old, last_seen_ms=40)], [], now_ms=50)
    assert [service.name for service in found.services] == ["exprsn-atlas", "exprsn-herald"]
    herald = found.services[1]
    assert [each.instance for each in herald.instances] == ["exprsn-herald:01", "exprsn-herald:02"]
    assert (herald.registered_ms, herald.instance_count, found.asked_ms, found.hubs) == (10, 2, 50, 0)


def test_a_service_that_has_gone_is_shown_with_its_calls() -> None:
    """For as long as the hubs run that have seen them."""
    found = services_of([], [share("h1"), share("h2", owner("h2", "exprsn-spark:01"), requests=4)], now_ms=1)
    (spark,) = found.services
    assert (spark.instances, spark.registered_ms, spark.last_seen_ms) == ([], None, None)
    assert [figures.requests for figures in spark.endpoints] == [5]
    assert [(state.hub, state.breaker) for state in spark.owners] == [("h2", "open")]


def test_one_service_is_only_that() -> None:
    entries = [registration("exprsn-herald:01"), registration("exprsn-atlas:02")]
    found = services_of(entries, [share("h1")], only="exprsn-herald", now_ms=1)
    assert [service.name for service in found.services] == ["exprsn-herald"]


def test_patterns_of_groups_are_apart_from_live_ones() -> None:
    hears = (
        Hearing(events=("post:*", "a:b")),
        Hearing(events=("a:b",), where=True),
        Hearing(events=("x:*",), group="g"),
    )
    (service,) = services_of([replace(registration(), hears=hears)], [], now_ms=1).services
    (info,) = service.instances
    assert info.hears == ["a:b", "post:*"]
    assert [(group.group, group.events) for group in info.groups] == [("g", ["x:*"])]


def test_an_answer_is_bounded_and_says_that_there_is_more() -> None:
    emits = tuple(f"resource-of-a-long-name-{number}:{'x' * 90}" for number in range(100))
    entries = [replace(registration(f"exprsn-herald:{number:03}"), emits=emits) for number in range(200)]
    found = services_of(entries, [], now_ms=1)
    assert found.has_more
    assert found.services[0].instance_count == 200
    assert 0 < len(found.services[0].instances) < MAX_ANSWER_BYTES // 10_000
