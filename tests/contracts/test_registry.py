"""What every registry does: who is here is listed, who left is not, and each coming and going is decided once."""

import asyncio
import time
from dataclasses import replace

from ipc.hub.stores import RegistryStore
from ipc.protocol.discovery import Change, Hearing, ServedResource
from ipc.stores.registry import Registration
from tests.contracts.backends import RegistryMaker

ONE, OTHER = "exprsn-herald:01", "exprsn-herald:02"
LEFT, GRACE = {ONE: "s1"}, 60.0


def registration(name: str = "exprsn-herald:01", session: str = "s1", *, age_ms: int = 0) -> Registration:
    now_ms = time.time_ns() // 1_000_000
    return Registration(
        instance=name,
        session=session,
        service=name.partition(":")[0],
        hub="h1",
        door="websocket",
        pid=4711,
        hostname="höst-1",
        registered_ms=now_ms - 1_000,
        last_seen_ms=now_ms - age_ms,
        last_activity_ms=now_ms - 500,
    )


async def test_what_is_put_is_listed_the_longest_unseen_first(registry: RegistryStore) -> None:
    one, other = registration(), registration("exprsn-spark:02", "s2", age_ms=5_000)
    await registry.put([one, other])
    assert await registry.list() == [other, one]
    assert await registry.list(["exprsn-spark", "exprsn-vault"]) == [other]
    assert await registry.list([]) == []


async def test_an_empty_registry_is_an_empty_list(registry: RegistryStore) -> None:
    await registry.put([])
    await registry.remove({})
    assert await registry.list() == []


async def test_a_renewal_replaces(registry: RegistryStore) -> None:
    first = registration()
    renewed = replace(first, last_seen_ms=first.last_seen_ms + 20_000, last_activity_ms=first.last_seen_ms)
    await registry.put([first])
    await registry.put([renewed])
    assert await registry.list() == [renewed]


async def test_who_leaves_is_taken_out(registry: RegistryStore) -> None:
    await registry.put([registration(), registration("exprsn-spark:02", "s2")])
    await registry.remove({"exprsn-herald:01": "s1", "exprsn-gallery:03": "s3"})
    assert [found.instance for found in await registry.list()] == ["exprsn-spark:02"]


async def test_an_instance_that_is_back_on_another_session_stays(registry: RegistryStore) -> None:
    await registry.put([registration(session="new")])
    await registry.remove({"exprsn-herald:01": "old"})
    assert [found.session for found in await registry.list()] == ["new"]


async def test_all_that_an_instance_says_of_itself_comes_back(registry: RegistryStore) -> None:
    said = replace(
        registration(),
        version="1.2.3-rc.1",
        resources=(ServedResource(name="posts", ops=("read", "publish")),),
        emits=("post:created",),
        hears=(Hearing(events=("post:*",), where={"$eq": [{"$var": "data.ö"}, 1]}), Hearing(events=("*",), group="g")),
        permissions=("emit:post:*", "serve:posts"),
    )
    await registry.put([said])
    assert await registry.list() == [said]


def said(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.event_id.rpartition(":")[0], change.instance, change.reason) for change in changes]


async def test_a_service_comes_with_its_first_instance(registry: RegistryStore) -> None:
    """The change is handed out until it is announced, and another instance is none."""
    (change,) = first = await registry.put([registration(ONE)])
    assert said(first) == [("exprsn-herald:online", ONE, "joined")]
    assert (change.service, change.event) == ("exprsn-herald", "service:online")
    assert await registry.put([registration(OTHER, "s2")]) == first
    assert await registry.sweep(expires=True) == first
    await registry.announced(change)
    assert await registry.put([registration(ONE)], renewed=frozenset({ONE})) == []
    assert await registry.sweep(expires=True) == []


async def test_two_hubs_decide_once(make_registry: RegistryMaker) -> None:
    one, other = make_registry(), make_registry()
    found = await asyncio.gather(one.put([registration(ONE)]), other.put([registration(OTHER, "s2")]))
    assert len({change.event_id for changes in found for change in changes}) == 1


async def test_a_service_goes_when_its_last_instance_has_left_and_does_not_come_back(
    make_registry: RegistryMaker,
) -> None:
    registry = make_registry(grace_s=0)
    (online,) = await registry.put([registration(ONE), registration(OTHER, "s2")])
    await registry.announced(online)
    await registry.remove(LEFT)
    assert await registry.sweep(expires=False) == []
    await registry.remove({OTHER: "s2"})
    (offline,) = changes = await registry.sweep(expires=False)
    assert said(changes) == [("exprsn-herald:offline", OTHER, "left")]
    assert offline.generation > online.generation
    assert await registry.sweep(expires=True) == changes
    await registry.announced(offline)
    assert await registry.sweep(expires=True) == []
    assert said(await registry.put([registration(ONE, "s3")])) == [("exprsn-herald:online", ONE, "joined")]


async def test_a_restart_within_the_grace_is_no_change(make_registry: RegistryMaker) -> None:
    patient, hasty = make_registry(grace_s=GRACE), make_registry(grace_s=0)
    await patient.announced((await patient.put([registration(ONE)]))[0])
    await patient.remove(LEFT)
    assert await patient.list() == []
    assert await patient.sweep(expires=True) == []
    await patient.put([registration(ONE, "s2")])
    # It does not count any more that it had left.
    assert await hasty.sweep(expires=True) == []


async def test_an_instance_that_is_not_renewed_expires_when_somebody_may_say_so(make_registry: RegistryMaker) -> None:
    registry = make_registry(ttl_s=0)
    await registry.announced((await registry.put([registration(ONE)]))[0])
    assert await registry.sweep(expires=False) == []
    assert said(await registry.sweep(expires=True)) == [("exprsn-herald:offline", ONE, "expired")]


async def test_changes_that_were_not_announced_are_kept_in_their_order(make_registry: RegistryMaker) -> None:
    registry = make_registry(grace_s=0)
    for session in ("s1", "s2"):
        await registry.put([registration(ONE, session)])
        await registry.remove({ONE: session})
        changes = await registry.sweep(expires=False)
    assert [change.state for change in changes] == ["online", "offline"] * 2
    generations = [change.generation for change in changes]
    assert generations == sorted(set(generations))
    await registry.announced(changes[1])
    assert await registry.sweep(expires=False) == changes[2:]


async def test_a_renewal_after_everything_was_lost_is_no_change(registry: RegistryStore) -> None:
    """Nothing has happened to the service, only to what was known of it; its end is told all the same."""
    assert await registry.put([registration(ONE)], renewed=frozenset({ONE})) == []
    assert [found.instance for found in await registry.list()] == [ONE]


async def test_who_leaves_after_everything_was_lost_was_there(make_registry: RegistryMaker) -> None:
    registry = make_registry(grace_s=0)
    await registry.remove(LEFT)
    assert said(await registry.sweep(expires=False)) == [("exprsn-herald:offline", ONE, "left")]
