"""Filtering at the hub is filtering what the hub delivers: live, in replays, and for those whose filters take long."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipc.hub.hub import Hub
from ipc.hub.loop_time import LIVE_S
from ipc.hub.terms import terms_of
from ipc.jsonlex import JSONLexError
from tests.ipc.members import Member

_counts = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["1", "", "x"]), st.floats(-2, 2))
_paths = st.sampled_from(
    ["data.likes", "data.tags", "data.tags.0", "data", "event", "source", "meta.a", "data.missing"]
)
_operands = st.one_of(_counts, _paths.map(lambda path: {"$var": path}))
_conditions = st.recursive(
    st.one_of(
        st.booleans(),
        st.tuples(
            st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), st.lists(_operands, min_size=2, max_size=2)
        ).map(lambda pair: {pair[0]: pair[1]}),
        _operands.map(lambda operand: {"$in": [operand, {"$var": "data.tags"}]}),
    ),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["$and", "$or"]), st.lists(inner, max_size=3)).map(lambda pair: {pair[0]: pair[1]}),
        inner.map(lambda condition: {"$not": condition}),
    ),
    max_leaves=5,
)
_events = st.lists(
    st.tuples(
        st.sampled_from(["post:created", "post:liked", "user:updated"]),
        st.one_of(
            _counts, st.fixed_dictionaries({}, optional={"likes": _counts, "tags": st.lists(_counts, max_size=3)})
        ),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=_conditions, events=_events, replayed=st.booleans(), is_slow=st.booleans())
async def test_what_comes_with_where_is_what_it_chooses_of_what_comes_without(
    hub: Hub, condition: Any, events: list[tuple[str, Any]], replayed: bool, is_slow: bool
) -> None:
    """Live, in a replay, and for a session whose filters take too long."""
    hub.loop_time.live_limit_s = 0.0 if is_slow else LIVE_S
    plain, filtered, emitter = Member(hub), Member(hub), Member(hub)
    ok = await plain.subscribe("*")
    if not replayed:
        await filtered.subscribe("*", where=condition)
    await emitter.say(
        *({"type": "emit", "event": event, "data": data} for event, data in events),
        {"type": "emit", "event": "end:end"},
    )
    if replayed:
        await plain.hears(len(events) + 1)
        await filtered.subscribe("*", where=condition, also=[{"events": ["end:end"]}], since=ok["positions"])
    else:
        await filtered.subscribe("end:end")
    await plain.hears(len(events) + 1)
    where = terms_of(condition, None).where
    assert where is not None
    expected = [event for event in plain.peer.events[:-1] if _holds(where.predicate, event)]
    if replayed:
        await filtered.hears(len(expected) + 1)
    while filtered.session.replays:
        await asyncio.wait(filtered.session.tasks.running)
    assert await filtered.is_well()
    assert [event for event in filtered.peer.events if event["event"] != "end:end"] == expected
    for member in (plain, filtered, emitter):
        await hub.detach(member.session)


def _holds(predicate: Any, event: dict[str, Any]) -> bool:
    try:
        return bool(predicate.matches({**event, "meta": event.get("meta")}))
    except JSONLexError:
        return False
