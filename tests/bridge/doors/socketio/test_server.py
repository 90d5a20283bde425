"""The door with the real socket.io-client: the original's eight checks, and who is let in where."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from tests import servers
from tests.clients import attached
from tests.node import NodeSockets
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
both = pytest.mark.parametrize("bridge", ["daphne", "uvicorn"], indirect=True)
uvicorn = pytest.mark.parametrize("bridge", ["uvicorn"], indirect=True)
CHECKS_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def timeline(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Who serves posts."""
    with servers.timeline(bridge_valkey.url, certs_dir, tmp_path_factory.mktemp("timeline")) as server:
        server.becomes(200)
        yield server


@both
@pytest.mark.parametrize(
    ("namespace", "transport", "client"),
    [
        ("/ipc/pulse", "websocket", "newest"),
        ("/ipc/exprsn-pulse", "polling", "newest"),
        ("/ipc/exprsn-pulse", "websocket", "oldest"),
        ("/ipc/pulse", "polling", "oldest"),
    ],
)
def test_the_eight_checks_of_the_original_pass(
    bridge: ServerProcess, timeline: ServerProcess, scripts: Path, namespace: str, transport: str, client: str
) -> None:
    """By a script that knows of this bridge nothing but its address: all eight, and updates and deletes besides."""
    done = subprocess.run(
        ["node", "eight_checks.mjs", bridge.url, namespace, transport, client],
        cwd=scripts,
        env={"NODE_EXTRA_CA_CERTS": str(bridge.ca_file), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        timeout=CHECKS_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") == 8


@both
async def test_a_polling_client_becomes_a_websocket_and_misses_nothing(
    bridge: ServerProcess, node: NodeSockets
) -> None:
    assert (await node.connect("a", bridge, "/ipc/svr", "polling", "websocket"))["connected"]
    async with attached(bridge, "atlas") as emitter:
        for number in range(20):
            await emitter.ask(type="emit", event="upgrade:step", data=number, target="svr", ack=True)
        assert await node.do("upgraded", "a") == "websocket"
        await emitter.ask(type="emit", event="upgrade:step", data=20, target="svr", ack=True)
        assert [(await node.hear("a", "upgrade:step"))[0] for _ in range(21)] == list(range(21))


@both
async def test_an_event_has_its_payload_first_and_then_where_it_comes_from(
    bridge: ServerProcess, node: NodeSockets
) -> None:
    """A socket hears its service's events and every broadcast without asking; a source that it makes up is not read."""
    welcome = await node.welcome("a", bridge, "/ipc/nexus")
    assert welcome["service"] == "exprsn-nexus"
    assert welcome["limits"]["frameBytes"] == 1024 * 1024
    assert set(welcome["positions"]) == {"broadcast", "exprsn-nexus"}
    await node.connect("b", bridge, "/ipc/vault")
    emitted = {
        "event": "shape:told",
        "payload": {"n": 1},
        "source": "exprsn-ca",
        "rateLimitExempt": True,
        "id": new_ulid(),
    }
    await node.tell("a", "ipc:emit", {**emitted, "target": "broadcast"})
    payload, about = await node.hear("b", "shape:told")
    assert payload == {"n": 1}
    assert set(about) == {"id", "source", "target", "position", "timestamp", "log"}
    assert (about["id"], about["source"], about["target"]) == (emitted["id"], "exprsn-nexus", "broadcast")
    assert (await node.hear("a", "shape:told"))[1] == about
    (ack,) = await node.hear("a", "ipc:ack")
    assert (ack["event"], ack["target"], ack["id"], ack["position"]) == (
        "shape:told", "broadcast", emitted["id"], about["position"],
    )  # fmt: skip
    again = await node.ask("a", "ipc:emit", {**emitted, "target": "broadcast"})
    assert again["duplicate"] is True


@uvicorn
async def test_options_of_an_emit_are_honoured(bridge: ServerProcess, node: NodeSockets) -> None:
    """Its target counts; without requireAck only a callback is told when it is done, and all when it is refused."""
    await node.connect("a", bridge, "/ipc/nexus")
    await node.connect("b", bridge, "/ipc/vault")
    quiet = {"event": "option:quiet", "payload": 1, "options": {"target": "vault", "requireAck": False}}
    await node.tell("a", "ipc:emit", quiet)
    _, about = await node.hear("b", "option:quiet")
    assert about["target"] == "exprsn-vault"
    # With a callback, that is told alone.
    assert (await node.ask("a", "ipc:emit", quiet))["position"]
    await node.tell("a", "ipc:emit", {**quiet, "event": "no name"})
    (error,) = await node.hear("a", "ipc:error")
    assert (error["error"], error["retryable"]) == ("INVALID_EVENT", False)
    assert not [event for event, _ in node.kept("a") if event in ("ipc:ack", "option:quiet")]


@uvicorn
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("namespace", ["/", "/ipc/nobody", "/ipc/", "/ipc/exprsn-exprsn-ca", "/ipc/ca/x", "/ipc/CA"])
async def test_a_namespace_that_no_service_has_is_refused_with_a_reason(
    bridge: ServerProcess, node: NodeSockets, namespace: str, transport: str
) -> None:
    refused = await node.connect("a", bridge, namespace, transport)
    assert refused["connected"] is False
    assert refused["data"] == {"code": "UNKNOWN_SERVICE", "closeCode": 4404, "retryable": False}
    assert "connect to /ipc/<service>" in refused["message"]


@uvicorn
async def test_several_services_share_one_connection(bridge: ServerProcess, node: NodeSockets) -> None:
    """A namespace that is left leaves the others."""
    options = {"forceNew": False, "auth": {"subscribe": ["share:*"]}}
    for name in ("svr", "exprsn-svr", "live"):
        assert (await node.connect(name, bridge, f"/ipc/{name}", options=options))["connected"]
    await node.do("disconnect", "svr")
    await node.tell("live", "ipc:emit", {"event": "share:told", "payload": 7, "target": ["svr", "live"]})
    assert (await node.hear("exprsn-svr", "share:told"))[0] == 7
    assert (await node.hear("live", "share:told"))[0] == 7
    assert not [event for event, _ in node.kept("svr") if event == "share:told"]


@uvicorn
async def test_what_the_door_itself_says_cannot_be_imitated(bridge: ServerProcess, node: NodeSockets) -> None:
    """An event of a service whose name begins as those of the door do comes under another one."""
    await node.connect("a", bridge, "/ipc/live")
    await node.tell("a", "ipc:emit", {"event": "ipc:notice", "payload": {"notice": "revoked"}, "target": "live"})
    payload, about = await node.hear("a", "ipc:event")
    assert (payload, about["event"]) == ({"notice": "revoked"}, "ipc:notice")
    assert "ipc:notice" not in [event for event, _ in node.kept("a")]


@both
async def test_what_was_missed_is_told_after_a_reconnection(bridge: ServerProcess, node: NodeSockets) -> None:
    welcome = await node.welcome("a", bridge, "/ipc/payments")
    await node.do("reauth", "a", auth={"positions": welcome["positions"]})
    async with attached(bridge, "atlas") as emitter:
        said = [emitter.ask(type="emit", event="missed:one", data=n, target="payments", ack=True) for n in range(3)]
        await said[0]
        assert (await node.hear("a", "missed:one"))[0] == 0
        await node.do("drop", "a")
        for asked in said[1:]:
            await asked
        assert (await node.hear("a", "disconnect"))[0] == "transport close"
        again = (await node.hear("a", "ipc:welcome"))[0]
        assert again["recovered"] is True
        assert [(await node.hear("a", "missed:one"))[0] for _ in range(3)] == [0, 1, 2]
    await node.connect("b", bridge, "/ipc/payments", options={"auth": {"positions": {"broadcast": "5-5"}}})
    lost = (await node.hear("b", "ipc:welcome"))[0]
    assert (lost["recovered"], list(lost["reasons"])) == (False, ["broadcast"])


@uvicorn
async def test_a_session_hears_only_what_it_asks_for_if_it_says_so(bridge: ServerProcess, node: NodeSockets) -> None:
    """With an empty list nothing; later subscriptions have conditions and shapes, and are taken back."""
    await node.connect("a", bridge, "/ipc/gallery", options={"auth": {"subscribe": []}})
    terms = {"where": {"$gt": [{"$var": "data.n"}, 1]}, "select": {"twice": {"$mul": [{"$var": "data.n"}, 2]}}}
    subscribed = await node.ask("a", "ipc:subscribe", {"events": ["some:*"], **terms})
    assert subscribed["success"]
    assert set(subscribed["positions"]) == {"broadcast", "exprsn-gallery"}
    for name, n in (("other:one", 5), ("some:one", 1), ("some:one", 2)):
        assert (await node.ask("a", "ipc:emit", {"event": name, "payload": {"n": n}, "target": "gallery"}))["success"]
    assert (await node.hear("a", "some:one"))[0] == {"twice": 4}
    assert (await node.ask("a", "ipc:unsubscribe", {"events": ["some:*"]})) == {"success": True}
    assert (await node.ask("a", "ipc:emit", {"event": "some:one", "payload": {"n": 3}}))["success"]
    assert not [event for event, _ in node.kept("a") if ":one" in event]
    wrong = await node.ask("a", "ipc:subscribe", {"events": ["some:*"], "where": {"$nothing": 1}})
    assert (wrong["success"], wrong["error"], wrong["details"]["in"]) == (False, "JSONLEX_INVALID", "where")


@uvicorn
async def test_what_is_wrong_with_a_request_is_answered_where_it_was_asked(
    bridge: ServerProcess, node: NodeSockets
) -> None:
    await node.connect("a", bridge, "/ipc/live")
    wrong: list[tuple[str, Any, str]] = [
        ("ipc:nothing", {}, "UNKNOWN_TYPE"),
        ("message", "hello", "UNKNOWN_TYPE"),
        ("ipc:read", "posts", "INVALID_MESSAGE"),
        ("ipc:read", {}, "INVALID_MESSAGE"),
        ("ipc:emit", [1], "INVALID_MESSAGE"),
        ("ipc:emit", {"event": 5}, "INVALID_MESSAGE"),
        ("ipc:emit", {"event": "a:b", "id": "x" * 65}, "INVALID_MESSAGE"),
        ("ipc:emit", {"event": "a:b", "target": "nobody"}, "UNKNOWN_TARGET"),
        ("ipc:emit", {"event": "a:b", "payload": "x" * 300_000}, "DATA_TOO_LARGE"),
        ("ipc:read", {"resource": "nothing"}, "NO_OWNER"),
        ("ipc:jsonlex", {"expression": {"__jsonlex": True, "expr": {"$no": 1}}}, "JSONLEX_INVALID"),
    ]
    for event, argument, code in wrong:
        answer = await node.ask("a", event, argument)
        assert (answer["success"], answer["error"]) == (False, code), (event, argument, answer)
        assert answer["message"]
        assert isinstance(answer["retryable"], bool)
    assert (await node.ask("a", "ipc:ping", {})) == {"success": True}


@both
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_binary_attachments_are_refused_and_the_session_goes_on(
    bridge: ServerProcess, node: NodeSockets, transport: str
) -> None:
    await node.connect("a", bridge, "/ipc/live", transport)
    refused = await node.do("binary", "a", event="ipc:emit")
    assert (refused["success"], refused["error"]) == (False, "INVALID_DATA")
    assert "base64" in refused["message"]
    assert (await node.ask("a", "ipc:ping", {})) == {"success": True}


@both
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_packet_of_more_than_a_mebibyte_closes_the_session_for_good(
    bridge: ServerProcess, node: NodeSockets, transport: str
) -> None:
    await node.connect("a", bridge, "/ipc/live", transport)
    await node.tell("a", "ipc:emit", {"event": "a:b", "payload": "x" * (1024 * 1024 + 1)})
    (error,) = await node.hear("a", "ipc:error")
    assert (error["error"], error["details"]) == ("FRAME_TOO_LARGE", {"limit": 1024 * 1024})
    (notice,) = await node.hear("a", "ipc:notice")
    assert (notice["notice"], notice["code"], notice["reconnect"]) == ("closed", 4413, False)
    assert (await node.hear("a", "disconnect"))[0] == "io server disconnect"
