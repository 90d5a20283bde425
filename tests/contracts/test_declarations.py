"""What a mesh keeps of declarations: the twins do what the real store does."""

from ipc.hub.stores import DeclarationStore, Stores
from ipc.protocol.declarations import MAX_EVENTS, Declaration, DeclaredEvent, Drift
from tests.contracts.backends import Backend

HERALD, SPARK = "exprsn-herald", "exprsn-spark"


def declared(event: str, service: str = HERALD, *, at_ms: int = 1, **schema: object) -> DeclaredEvent:
    return DeclaredEvent(
        service=service, declaration=Declaration(event=event, schema=dict(schema), examples=[1]), declared_ms=at_ms
    )


async def names(store: DeclarationStore, only: str | None = None) -> list[tuple[str, str]]:
    return [(each.service, each.declaration.event) for each in await store.list(only)]


async def test_declarations_are_kept_by_service_and_event(backend: Backend) -> None:
    one, other = backend.stores().declarations, backend.stores().declarations
    await one.put([declared("b:b", at_ms=2, type="string"), declared("a:a")])
    await one.put([declared("a:a", SPARK)])
    assert await names(other) == [(SPARK, "a:a"), (HERALD, "a:a"), (HERALD, "b:b")]
    assert await names(other, HERALD) == [(HERALD, "a:a"), (HERALD, "b:b")]
    found = (await other.list(HERALD))[1]
    assert found == declared("b:b", at_ms=2, type="string")
    await other.keep([HERALD])
    assert await names(other, "exprsn-vault") == []


async def test_drift_adds_up_and_has_the_last_that_did_not_fit(stores: Stores) -> None:
    store = stores.declarations
    await store.put([declared("a:a"), declared("b:b")])
    first = Drift(checked=3, drifted=1, last_error="no", last_pointer="/a", last_ms=5)
    await store.add_drift(HERALD, {"a:a": first, "b:b": Drift(checked=2)})
    await store.add_drift(HERALD, {"a:a": Drift(checked=4)})
    found = {each.declaration.event: each.drift for each in await store.list(HERALD)}
    assert found["a:a"] == Drift(checked=7, drifted=1, last_error="no", last_pointer="/a", last_ms=5)
    assert found["b:b"] == Drift(checked=2)
    await store.add_drift(HERALD, {"a:a": Drift(checked=1, drifted=1, last_error="other", last_pointer="", last_ms=9)})
    (drift, _) = [each.drift for each in await store.list(HERALD)]
    assert (drift.drifted, drift.last_error, drift.last_ms) == (2, "other", 9)


async def test_another_schema_begins_anew_and_the_same_does_not(stores: Stores) -> None:
    store = stores.declarations
    await store.put([declared("a:a", type="string")])
    await store.add_drift(HERALD, {"a:a": Drift(checked=1)})
    await store.put([declared("a:a", at_ms=7, type="string")])
    assert (await store.list(HERALD))[0].drift.checked == 1
    await store.put([declared("a:a", type="number")])
    assert (await store.list(HERALD))[0].drift == Drift()


async def test_those_said_longest_ago_make_room(stores: Stores) -> None:
    store = stores.declarations
    await store.put([declared("old:a", at_ms=1)])
    await store.add_drift(HERALD, {"old:a": Drift(checked=1)})
    await store.put([declared(f"new:e{number}", at_ms=2) for number in range(MAX_EVENTS)])
    found = await names(store, HERALD)
    assert len(found) == MAX_EVENTS
    assert (HERALD, "old:a") not in found
