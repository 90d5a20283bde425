"""Engine.IO by hand: what is no packet, a client that is silent, and one that does not read."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.bridge.doors.socketio.engine_io import DEADLINE_S, JOIN, POLLING, ended, opened
from tests.clients import attached
from tests.node import NodeSockets
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
both = pytest.mark.parametrize("bridge", ["daphne", "uvicorn"], indirect=True)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def hasty(
    request: pytest.FixtureRequest,
    bridge_valkey: EmbeddedValkey,
    certs_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """A bridge that soon asks whether a client is there, and keeps little for one that is not."""
    settings = {"IPC_HEARTBEAT": "400", "IPC_AUTH_TIMEOUT": "700", "IPC_OUTBOX_BYTES": str(1024 * 1024)}
    var_dir = tmp_path_factory.mktemp("hasty")
    with servers.bridge(request.param, bridge_valkey.url, certs_dir, var_dir, **settings) as made:
        yield made
        assert "Traceback" not in made.output(), made.output()[-5_000:]


@both
@pytest.mark.parametrize(
    "frame",
    ["", "2", "2probe", "5", "9", "x", "4", "4x", "49", "44{}", "42", "42/ipc/auth", "42/ipc/auth,{}",
     "42/ipc/auth,x[]", "40/ipc/auth,{", "40/ipc/auth," + "[" * 50_000, b"binary", "bAAAA", "b!", "45x-[]",
     "451-/ipc/auth,{}"],
)  # fmt: skip
async def test_what_is_no_packet_closes_the_connection(bridge: ServerProcess, frame: str | bytes) -> None:
    async with opened(bridge) as socket:
        await socket.send(frame)
        assert (await ended(socket))[0] == 4400


@both
@pytest.mark.parametrize("frame", ['42/ipc/auth,["ipc:emit",{]', "42/ipc/auth,[]", "42/ipc/auth,[1,2]"])
async def test_an_event_that_is_no_json_ends_the_session_with_a_reason(bridge: ServerProcess, frame: str) -> None:
    async with opened(bridge, JOIN) as socket:
        await socket.send(frame)
        heard: list[str] = []
        async with asyncio.timeout(DEADLINE_S):
            while not heard or heard[-1] != "41/ipc/auth,":
                heard.append(str(await socket.recv()))
    assert any("INVALID_JSON" in text for text in heard)


@both
def test_what_is_no_request_over_polling_is_refused(bridge: ServerProcess) -> None:
    with httpx.Client(base_url=bridge.url, verify=bridge.trust, trust_env=False, timeout=15) as http:
        assert http.get("/socket.io/?EIO=3&transport=polling").status_code == 400
        assert http.get("/socket.io/?EIO=4&transport=smoke").status_code == 400
        assert http.get(f"{POLLING}&sid=none").status_code == 400
        assert http.post(POLLING, content="40").status_code == 400
        assert http.put(POLLING).status_code == 405
        assert http.get(f"{POLLING}&j=0").status_code == 400
        for body in (b"", b"4x", b"\xff\xfe", b"42/ipc/auth", b"40\x1e\x1e"):
            sid = json.loads(http.get(POLLING).text[1:])["sid"]
            http.post(f"{POLLING}&sid={sid}", content=body)
            last = http.get(f"{POLLING}&sid={sid}")
            assert last.status_code == 400 or last.text.endswith("1"), body
            assert http.get(f"{POLLING}&sid={sid}").status_code == 400
        sid = json.loads(http.get(POLLING).text[1:])["sid"]
        assert http.post(f"{POLLING}&sid={sid}", content=b"x" * (1024 * 1024 + 1)).status_code == 400
    assert bridge.health() == 200


@both
async def test_many_packets_may_come_in_one_request(bridge: ServerProcess) -> None:
    """A polling client sends all that it has in one, which are far more than the library takes."""
    async with httpx.AsyncClient(base_url=bridge.url, verify=bridge.trust, trust_env=False, timeout=15) as http:
        sid = json.loads((await http.get(POLLING)).text[1:])["sid"]
        where = f"{POLLING}&sid={sid}"
        await http.post(where, content=JOIN)
        asked = "\x1e".join(f'42/ipc/auth,{number}["ipc:ping"]' for number in range(300))
        await http.post(where, content=asked)
        answers: set[str] = set()
        while len(answers) < 300:
            texts = (await http.get(where)).text.split("\x1e")
            answers |= {text for text in texts if text.startswith("43")}
        await http.post(where, content="1")


async def test_who_joins_no_namespace_is_sent_away(hasty: ServerProcess) -> None:
    async with opened(hasty) as socket:
        assert (await ended(socket))[0] == 4408


async def test_a_client_that_never_answers_pings_is_sent_away(hasty: ServerProcess) -> None:
    async with opened(hasty, JOIN) as socket:
        code, heard = await ended(socket)
    assert code == 4429
    assert heard.count("2") == 2
    (notice,) = [text for text in heard if '"closed"' in text]
    assert "two heartbeats were not answered" in notice


async def test_a_client_that_answers_pings_stays(hasty: ServerProcess) -> None:
    async with opened(hasty, JOIN) as socket:
        pings = 0
        async with asyncio.timeout(DEADLINE_S):
            while pings < 5:
                if await socket.recv() == "2":
                    pings += 1
                    await socket.send("3")


def test_a_polling_client_that_goes_away_is_forgotten(hasty: ServerProcess) -> None:
    with httpx.Client(base_url=hasty.url, verify=hasty.trust, trust_env=False, timeout=15) as http:
        sid = json.loads(http.get(POLLING).text[1:])["sid"]
        http.post(f"{POLLING}&sid={sid}", content=JOIN)
        give_up_at = time.monotonic() + DEADLINE_S
        while http.post(f"{POLLING}&sid={sid}", content="6").status_code == 200:
            assert time.monotonic() < give_up_at


async def test_a_slow_reader_is_closed_and_misses_nothing_when_it_comes_back(
    hasty: ServerProcess, node: NodeSockets
) -> None:
    """What is kept for it is bounded; its neighbour gets everything in the meantime."""
    await node.connect("slow", hasty, "/ipc/prefetch")
    welcome = (await node.hear("slow", "ipc:welcome"))[0]
    await node.do("reauth", "slow", auth={"positions": welcome["positions"]})
    await node.do("pause", "slow")
    filling = "x" * 200_000
    async with attached(hasty, "atlas") as emitter, attached(hasty, "prefetch", "slow:*") as neighbour:

        async def emit_all() -> None:
            for number in range(60):
                await emitter.ask(type="emit", event="slow:one", data=[number, filling], target="prefetch", ack=True)

        emitting = asyncio.create_task(emit_all())
        assert [(await neighbour.event())["data"][0] for _ in range(60)] == list(range(60))
        await emitting
    await node.do("resume", "slow")
    numbers: list[int] = []
    while len(set(numbers)) < 60:
        numbers.append((await node.hear("slow", "slow:one"))[0][0])
    assert "disconnect" in [event for event, _ in node.kept("slow")]
    again = (await node.hear("slow", "ipc:welcome"))[0]
    assert again["recovered"] is True
    last = numbers[numbers.index(0, 1) :] if 0 in numbers[1:] else numbers
    assert last == list(range(60))
