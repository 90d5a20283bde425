"""Emitting over HTTPS as a script does it, at a bridge behind each server: in our own shape and as CloudEvents."""

import asyncio
import json
import shlex
import shutil
import socket
import ssl
import subprocess
from typing import Any

import httpx
import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from ipc.protocol.traceparent import parse
from tests.bridge.conftest import MakeBridge
from tests.clients import attached
from tests.markdown import ROOT, commands
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
OPERATOR = {"X-IPC-Request": "true"}
JSON = {"Content-Type": "application/json"}
CLOUD = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

HOWTO = ROOT / "docs" / "howto" / "from-scripts-and-cron.md"
EXAMPLES = [line for line in commands(HOWTO) if line.startswith("curl") and "/api/ipc/emit" in line]


def cloud(**members: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "type": "com.example.made", "source": "/s", "id": new_ulid(), **members}


async def post(
    bridge: ServerProcess, body: Any, headers: dict[str, str] = JSON, *, query: str = "?service=vault"
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await asyncio.to_thread(
        bridge.request, "POST", f"/api/ipc/emit{query}", content=content, headers={**OPERATOR, **headers}
    )


async def accepted(bridge: ServerProcess, body: Any, headers: dict[str, str] = JSON) -> Any:
    response = await post(bridge, body, headers)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store"), response.text
    assert response.json()["success"] is True
    return response.json()["data"]


async def refused(bridge: ServerProcess, body: Any, headers: dict[str, str] = JSON, **options: Any) -> tuple[int, str]:
    response = await post(bridge, body, headers, **options)
    answer = response.json()
    assert (answer["success"], set(answer)) == (False, {"success", "error", "message", "details"})
    return response.status_code, answer["error"]


async def test_an_event_is_heard_as_the_service_said(bridge: ServerProcess) -> None:
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        event_id = new_ulid()
        body = {"event": "a:one", "data": {"n": [1.50]}, "target": "svr", "id": event_id, "meta": {"m": 1}}
        emitted = await accepted(bridge, {**body, "traceparent": TRACE})
        event = await svr.event()
    assert emitted == {"id": event_id, "position": event["position"], "positions": {"exprsn-svr": event["position"]}}
    assert {name: event[name] for name in ("id", "event", "source", "data", "meta", "traceparent")} == {
        "id": event_id, "event": "a:one", "source": "exprsn-vault", "data": {"n": [1.5]}, "meta": {"m": 1},
        "traceparent": TRACE,
    }  # fmt: skip


async def test_a_repeated_id_is_appended_once(bridge: ServerProcess) -> None:
    body = {"event": "a:one", "target": ["svr", "atlas"], "id": new_ulid()}
    first = await accepted(bridge, body)
    assert list(first["positions"]) == ["exprsn-svr", "exprsn-atlas"]
    assert first["position"] == first["positions"]["exprsn-svr"]
    assert await accepted(bridge, body) == {**first, "duplicate": True}
    wider = await accepted(bridge, {**body, "target": ["svr", "pulse"]})
    assert (wider["position"], "duplicate" in wider) == (first["position"], False)
    other = (await post(bridge, body, query="?service=pulse")).json()["data"]
    assert other["positions"] != first["positions"]


async def test_ids_are_made_up_where_none_is_given(bridge: ServerProcess) -> None:
    one, two = [await accepted(bridge, {"event": "a:one", "target": "svr"}) for _ in range(2)]
    assert (one["id"] != two["id"], one["position"] != two["position"]) == (True, True)


async def test_the_trace_of_the_request_counts_where_the_event_says_none(bridge: ServerProcess) -> None:
    """Of which the request is a step; one that is wrong counts as none, and the request begins another."""
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        await accepted(bridge, {"event": "a:one", "target": "svr"}, {**JSON, "traceparent": TRACE})
        await accepted(bridge, {"event": "a:two", "target": "svr"}, {**JSON, "traceparent": "nonsense"})
        await accepted(bridge, {"event": "a:three", "target": "svr", "traceparent": "00-x"})
        known, *begun = [parse(event["traceparent"]) for event in await svr.events(3)]
    assert known is not None
    assert (known.trace_id, known.span_id == TRACE[36:52]) == (TRACE[3:35], False)
    assert len({step.trace_id for step in begun if step is not None} - {TRACE[3:35]}) == 2


# Several


@pytest.mark.parametrize("headers", [JSON, BATCH])
async def test_several_events_keep_their_order(bridge: ServerProcess, headers: dict[str, str]) -> None:
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        if headers is JSON:
            body = [{"event": "a:one", "target": "svr", "data": number} for number in range(200)]
        else:
            body = [cloud(ipctarget="svr", data=number) for number in range(200)]
        results = (await accepted(bridge, body, headers))["results"]
        events = await svr.events(200)
    assert [event["data"] for event in events] == list(range(200))
    assert [result["data"]["position"] for result in results] == [event["position"] for event in events]
    assert [result["data"]["id"] for result in results] == [event["id"] for event in events]


async def test_one_that_is_wrong_keeps_no_other_out_and_is_not_overlooked(bridge: ServerProcess) -> None:
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        good = {"event": "a:good", "target": "svr", "id": new_ulid()}
        body = [good, {"event": "bad"}, 5, {**good, "id": new_ulid()}, {"event": "a:b", "target": "nobody"}]
        response = await post(bridge, body)
        events = await svr.events(2)
    answer = response.json()
    assert (response.status_code, answer["success"], answer["error"]) == (400, False, "INVALID_EVENT")
    assert answer["message"].startswith("3 of 5 events were not taken: 'bad'")
    results = answer["details"]["results"]
    assert [result.get("error") for result in results] == [
        None, "INVALID_EVENT", "INVALID_MESSAGE", None, "UNKNOWN_TARGET",
    ]  # fmt: skip
    positions = [result["data"]["position"] for result in results if result["success"]]
    assert positions == [event["position"] for event in events]
    again = (await post(bridge, body)).json()["details"]["results"]
    assert again[0] == {**results[0], "data": {**results[0]["data"], "duplicate": True}}


async def test_no_events_are_none(bridge: ServerProcess) -> None:
    assert await accepted(bridge, [], BATCH) == await accepted(bridge, []) == {"results": []}


# CloudEvents


async def test_a_cloud_event_is_heard_with_its_attributes_in_meta(bridge: ServerProcess) -> None:
    """Its source is only said; the event's is the service's that has sent it."""
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        sent = cloud(source="exprsn-auth", subject="s", data={"a": 1}, ipctarget="svr", traceparent=TRACE, ext=True)
        emitted = await accepted(bridge, sent, CLOUD)
        event = await svr.event()
    assert (event["id"], event["event"], event["source"], event["data"], event["traceparent"]) == (
        emitted["id"], "com.example:made", "exprsn-vault", {"a": 1}, TRACE,
    )  # fmt: skip
    left_out = {"data", "ipctarget", "traceparent"}
    assert event["meta"] == {"cloudevents": {name: sent[name] for name in sent.keys() - left_out}}


async def test_a_cloud_event_in_headers_is_heard(bridge: ServerProcess) -> None:
    headers = {f"ce-{name}": value for name, value in cloud(subject="caf%C3%A9", ipctarget="svr").items()}
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        emitted = await accepted(bridge, "hä".encode(), {**headers, "Content-Type": "text/plain"})
        event = await svr.event()
        assert (event["id"], event["data"], event["meta"]["cloudevents"]["subject"]) == (emitted["id"], "hä", "café")
        again = await accepted(bridge, "hä".encode(), {**headers, "Content-Type": "text/plain"})
        assert again == {**emitted, "duplicate": True}
        other = await accepted(bridge, b"", {**headers, "ce-source": "/other"})
    assert other["position"] != emitted["position"], "two sources may use one id"


# What is wrong


@pytest.mark.parametrize(
    ("body", "code", "error"),
    [
        (b"", 400, "INVALID_JSON"),
        (b"{", 400, "INVALID_JSON"),
        (b"\xff\xfe", 400, "INVALID_JSON"),
        (b"null", 400, "INVALID_MESSAGE"),
        (b"{}", 400, "INVALID_MESSAGE"),
        (b'{"event": "a:b", "data": NaN}', 400, "INVALID_JSON"),
        (b'{"event": "a:b", "data": ' + b"[" * 100_000, 400, "INVALID_JSON"),
        (b'{"event": "a:b", "data": ' + b"[" * 65 + b"]" * 65 + b"}", 400, "INVALID_DATA"),
        (b'{"event": "a:b", "data": "\\ud800"}', 400, "INVALID_JSON"),
        ({"event": 5}, 400, "INVALID_MESSAGE"),
        ({"event": "a b"}, 400, "INVALID_EVENT"),
        ({"event": "service:online"}, 403, "FORBIDDEN"),
        ({"event": "a:b", "source": "auth"}, 400, "INVALID_MESSAGE"),
        ({"event": "a:b", "id": ""}, 400, "INVALID_MESSAGE"),
        ({"event": "a:b", "id": "x" * 65}, 400, "INVALID_MESSAGE"),
        ({"event": "a:b", "meta": [1]}, 400, "INVALID_MESSAGE"),
        ({"event": "a:b", "target": "nobody"}, 404, "UNKNOWN_TARGET"),
        ({"event": "a:b", "target": []}, 404, "UNKNOWN_TARGET"),
        ({"event": "a:b", "data": "x" * 300_000}, 413, "DATA_TOO_LARGE"),
        (b" " * 1_048_577, 413, "FRAME_TOO_LARGE"),
        ([{"event": "a:b"}] * 513, 413, "FRAME_TOO_LARGE"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_refused_with_its_code(bridge: ServerProcess, body: Any, code: int, error: str) -> None:
    assert await refused(bridge, body) == (code, error)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/cloudevents+xml",
        "application/json; charset=utf-16",
    ],
)
async def test_what_is_not_json_is_refused(bridge: ServerProcess, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert await refused(bridge, {"event": "a:b"}, headers) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("query", "headers", "code", "error"),
    [
        ("?service=nobody", {}, 404, "UNKNOWN_SERVICE"),
        ("?service=vault&service=auth", {}, 400, "INVALID_MESSAGE"),
        ("?service=vault", {"X-IPC-Service": "auth"}, 400, "INVALID_MESSAGE"),
        ("?colour=red", {}, 400, "INVALID_MESSAGE"),
    ],
)
async def test_who_speaks_has_to_be_plain(
    bridge: ServerProcess, query: str, headers: dict[str, str], code: int, error: str
) -> None:
    assert await refused(bridge, {"event": "a:b"}, {**JSON, **headers}, query=query) == (code, error)


async def test_the_service_may_be_in_a_header_and_is_the_bridge_by_itself(bridge: ServerProcess) -> None:
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        body = {"event": "a:b", "target": "svr"}
        await post(bridge, body, {**JSON, "X-IPC-Service": "exprsn-pulse"}, query="")
        await post(bridge, body, query="")
        assert [event["source"] for event in await svr.events(2)] == ["exprsn-pulse", "exprsn-bridge"]


async def test_emitting_is_for_operators(bridge: ServerProcess) -> None:
    response = await asyncio.to_thread(bridge.request, "POST", "/api/ipc/emit", json={"event": "a:b"})
    assert (response.status_code, response.json()["error"]) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"] == 'Bearer realm="exprsn"'


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_only_post_emits(bridge: ServerProcess, method: str) -> None:
    response = await asyncio.to_thread(bridge.request, method, "/api/ipc/emit", headers=OPERATOR)
    assert (response.status_code, response.json()["error"]) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"


async def test_half_a_request_emits_nothing(bridge: ServerProcess) -> None:
    body = json.dumps({"event": "a:half", "target": "svr"}).encode()
    head = (
        "POST /api/ipc/emit HTTP/1.1\r\nHost: localhost\r\nX-IPC-Request: true\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    )
    context = ssl.create_default_context(cafile=bridge.ca_file)
    async with attached(bridge, "svr", "a:*", "com.example:*") as svr:
        with (
            socket.create_connection(("localhost", bridge.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(head.encode() + body)
        await accepted(bridge, {"event": "a:whole", "target": "svr"})
        assert (await svr.event())["event"] == "a:whole"


async def test_without_redis_it_says_so_and_nothing_is_lost_silently(
    make_bridge: MakeBridge, own_valkey: EmbeddedValkey
) -> None:
    with make_bridge(own_valkey.url) as bridge:
        own_valkey.stop()
        bridge.becomes(503)
        assert await refused(bridge, {"event": "a:b", "id": "e1"}) == (503, "UNAVAILABLE")
        status, error = await refused(bridge, [{"event": "a:b"}, {"event": "bad"}])
        assert (status, error) == (400, "INVALID_EVENT"), "what would fail again counts first"
        own_valkey.start()
        bridge.becomes(200)
        await accepted(bridge, {"event": "a:b", "id": "e1"})


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
async def test_each_example_with_curl_does_what_the_page_says(bridge: ServerProcess, example: str) -> None:
    line = example.replace("https://localhost:3010", bridge.url).replace(
        "var/certs/ca-cert.pem", shlex.quote(str(bridge.ca_file))
    )
    run = asyncio.to_thread(
        subprocess.run, shlex.split(line), capture_output=True, text=True, check=False, timeout=30
    )  # fmt: skip
    done = await run
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["success"] is True


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
