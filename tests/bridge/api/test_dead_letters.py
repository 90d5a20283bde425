"""Dead letters over HTTPS on live bridges: listed in pages, shown, redriven to their group, discarded for a reason."""

import asyncio
import json
from typing import Any

import pytest

from ipc.protocol.ids import new_ulid
from tests.clients import Client, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
PATH = "/api/ipc/dead-letters"
BYPASS = {"X-IPC-Request": "true"}


def call(bridge: ServerProcess, method: str, path: str, **options: Any) -> tuple[int, Any]:
    response = bridge.request(method, path, headers=BYPASS, **options)
    return response.status_code, response.json()


def listed(bridge: ServerProcess, **query: Any) -> dict[str, Any]:
    status, answer = call(bridge, "GET", PATH, params=query)
    assert (status, answer["success"]) == (200, True), answer
    data: dict[str, Any] = answer["data"]
    return data


@pytest.fixture
def group() -> str:
    """A name that no other test, and no other bridge on the same Redis, has used."""
    return f"group-{new_ulid()}"


async def reject(bridge: ServerProcess, client: Client, group: str, *events: str) -> list[dict[str, Any]]:
    """Emit events, give them up as the only member of a group, and return the dead letters that this made."""
    ok = await client.ask(type="subscribe", events=[f"{group}:*"], group=group)
    assert ok["type"] == "ok"
    for event in events:
        await client.ask(type="emit", event=f"{group}:{event}", data={"n": 1}, target="atlas", ack=True)
        delivery = await client.event()
        await client.say({"type": "nack", "deliveries": [delivery["delivery"]], "reason": "no", "reject": True})
    async with asyncio.timeout(15):
        while True:
            found = (await asyncio.to_thread(listed, bridge, group=group))["deadLetters"]
            if len(found) == len(events):
                return list(found)


async def test_a_letter_is_listed_shown_redriven_and_gone(bridge: ServerProcess, group: str) -> None:
    """The member gets it again, with its first id and a first attempt."""
    async with attached(bridge, "atlas") as client:
        (summary,) = await reject(bridge, client, group, "one")
        assert summary["service"] == "exprsn-atlas"
        assert (summary["event"], summary["error"], summary["attempts"]) == (f"{group}:one", "no", 1)
        assert summary["instance"].startswith("exprsn-atlas:")
        status, detail = await asyncio.to_thread(call, bridge, "GET", f"{PATH}/{summary['id']}")
        assert (status, detail["data"]["data"], detail["data"]["log"]) == (200, {"n": 1}, "exprsn-atlas")
        assert summary.items() <= detail["data"].items()
        body = {"id": summary["id"]}
        _, answer = await asyncio.to_thread(call, bridge, "POST", f"{PATH}/redrive", json={**body, "dryRun": True})
        matched = {"matched": [summary["id"]], "hasMore": False, "undecided": 0}
        assert answer["data"] == {**matched, "redriven": [], "dryRun": True}
        _, answer = await asyncio.to_thread(call, bridge, "POST", f"{PATH}/redrive", json=body)
        assert answer["data"] == {**matched, "redriven": [summary["id"]], "dryRun": False}
        again = await client.event()
        assert (again["id"], again["attempt"], again["data"]) == (summary["eventId"], 1, {"n": 1})
        await client.say({"type": "ack", "deliveries": [again["delivery"]]})
        assert await client.is_well()
        status, answer = await asyncio.to_thread(call, bridge, "GET", f"{PATH}/{summary['id']}")
        assert (status, answer["error"]) == (404, "NOT_FOUND")


async def test_what_has_no_group_any_more_does_not_keep_the_rest_back(bridge: ServerProcess, group: str) -> None:
    """The one is redriven, the other is named in the details."""
    forgotten = f"{group}-gone"
    async with attached(bridge, "atlas") as client:
        (orphan,) = await reject(bridge, client, forgotten, "x")
        gone = await client.ask(type="unsubscribe", events=[], group=forgotten, forget=True)
        assert gone["type"] == "ok", gone
        (letter,) = await reject(bridge, client, group, "x")
        ids = [letter["id"], orphan["id"]]
        status, answer = await asyncio.to_thread(call, bridge, "POST", f"{PATH}/redrive", json={"id": ids})
        assert (status, answer["error"]) == (404, "NOT_FOUND")
        details = answer["details"]
        assert (details["matched"], details["redriven"]) == (ids, [letter["id"]])
        assert details["skipped"] == [orphan["id"]]
        again = await client.event()
        assert (again["id"], again["attempt"]) == (letter["eventId"], 1)
        await client.say({"type": "ack", "deliveries": [again["delivery"]]})
        assert await client.is_well()
        # Another test redrives all that there is.
        body = {"id": orphan["id"], "reason": "a test"}
        status, answer = await asyncio.to_thread(call, bridge, "POST", f"{PATH}/discard", json=body)
        assert (status, answer["data"]["discarded"]) == (200, [orphan["id"]])


async def test_pages_and_filters(bridge: ServerProcess, group: str) -> None:
    async with attached(bridge, "atlas") as client:
        letters = await reject(bridge, client, group, "a", "b", "c")
        ids = [letter["id"] for letter in letters]
        first = await asyncio.to_thread(listed, bridge, group=group, limit=2)
        assert [letter["id"] for letter in first["deadLetters"]] == ids[:2]
        assert first["next"] == ids[1]
        rest = await asyncio.to_thread(listed, bridge, group=group, limit=2, cursor=first["next"])
        assert ([letter["id"] for letter in rest["deadLetters"]], rest["next"]) == (ids[2:], None)
        for query, expected in [
            ({"event": [f"{group}:a", f"{group}:c"]}, [ids[0], ids[2]]),
            ({"id": letters[1]["eventId"]}, [ids[1]]),
            ({"service": "atlas", "since": "1h"}, ids),
            ({"service": "spark"}, []),
            ({"until": "1h"}, []),
            ({"where": json.dumps({"$eq": [{"$var": "event"}, f"{group}:b"]})}, [ids[1]]),
        ]:
            found = await asyncio.to_thread(listed, bridge, group=group, **query)
            assert [letter["id"] for letter in found["deadLetters"]] == expected, query
        body = {"group": group, "where": {"$gt": [{"$var": "event"}, 1]}, "dryRun": True}
        _, answer = await asyncio.to_thread(call, bridge, "POST", f"{PATH}/redrive", json=body)
        assert (answer["data"]["matched"], answer["data"]["undecided"]) == ([], 3)


async def test_discarding_takes_a_reason_and_a_filter(bridge: ServerProcess, group: str) -> None:
    async with attached(bridge, "atlas") as client:
        (letter,) = await reject(bridge, client, group, "x")
        status, answer = await asyncio.to_thread(call, bridge, "POST", f"{PATH}/discard", json={"group": group})
        assert (status, answer["error"], list(answer["details"])) == (400, "INVALID_MESSAGE", ["reason"])
        body = {"group": group, "reason": "a test"}
        status, answer = await asyncio.to_thread(call, bridge, "POST", f"{PATH}/discard", json=body)
        assert (status, answer["data"]["discarded"]) == (200, [letter["id"]])
        assert (await asyncio.to_thread(listed, bridge, group=group))["deadLetters"] == []


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("POST", f"{PATH}/redrive", {"json": {}}, (400, "INVALID_MESSAGE")),
        ("POST", f"{PATH}/discard", {"json": {"reason": "all of them"}}, (400, "INVALID_MESSAGE")),
        ("POST", f"{PATH}/redrive", {"json": []}, (400, "INVALID_MESSAGE")),
        ("POST", f"{PATH}/redrive", {"json": {"all": True, "who": "me"}}, (400, "INVALID_MESSAGE")),
        ("POST", f"{PATH}/redrive", {"content": b"{", "headers": {}}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("POST", f"{PATH}/discard", {"json": {"all": True, "reason": " "}}, (400, "INVALID_MESSAGE")),
        ("GET", PATH, {"params": {"limit": "0"}}, (400, "INVALID_MESSAGE")),
        ("GET", PATH, {"params": {"limit": "1001"}}, (400, "INVALID_MESSAGE")),
        ("GET", PATH, {"params": {"since": "soon"}}, (400, "INVALID_MESSAGE")),
        ("GET", PATH, {"params": {"event": "::"}}, (400, "INVALID_PATTERN")),
        ("GET", PATH, {"params": {"where": "["}}, (400, "INVALID_MESSAGE")),
        ("POST", f"{PATH}/redrive", {"json": {"where": None}}, (400, "INVALID_MESSAGE")),
        ("POST", f"{PATH}/redrive", {"json": {"where": {"$no": 1}}}, (400, "JSONLEX_INVALID")),
        ("GET", PATH, {"params": {"group": "no group"}}, (400, "INVALID_GROUP")),
        ("GET", PATH, {"params": {"service": "nobody"}}, (404, "UNKNOWN_SERVICE")),
        ("GET", PATH, {"params": {"cursor": "here"}}, (400, "INVALID_MESSAGE")),
        ("GET", PATH, {"params": {"colour": "red"}}, (400, "INVALID_MESSAGE")),
        ("GET", f"{PATH}/atlas/g/x", {}, (400, "INVALID_POSITION")),
        ("GET", f"{PATH}/atlas/g/1-0", {}, (404, "NOT_FOUND")),
        ("PUT", PATH, {"json": {}}, (405, "METHOD_NOT_ALLOWED")),
        ("GET", f"{PATH}/redrive", {}, (405, "METHOD_NOT_ALLOWED")),
    ],
)
def test_a_wrong_request_is_refused_in_the_one_shape(
    bridge: ServerProcess, method: str, path: str, options: dict[str, Any], expected: tuple[int, str]
) -> None:
    options = {**options, "headers": {**BYPASS, **options.get("headers", {})}}
    response = bridge.request(method, path, **options)
    answer = response.json()
    assert (response.status_code, answer["error"]) == expected
    assert answer.keys() == {"success", "error", "message", "details"}
