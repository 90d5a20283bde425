"""A worker as a process: it takes a signal as a request to finish, and leaves with 0."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

from exprsn.embedded import EmbeddedValkey
from ipc.hub.hub import Hub
from tests.ipc.conftest import MakeMesh
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def hub(make_mesh: MakeMesh) -> Hub:
    return (await make_mesh()).hub


@pytest.fixture
async def spark(hub: Hub) -> Member:
    """Who gives the jobs and hears of them."""
    member = Member(hub, "spark")
    await member.subscribe("work:*", "worker:*")
    return member


@pytest.fixture
async def process(redis_url: str, spark: Member) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker that is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.ipc.worker_process",
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": redis_url, "BRIDGE_URL": ""},
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await spark.hears(1)
    yield process
    if process.returncode is None:
        process.kill()
    await process.communicate()


def names(member: Member) -> list[tuple[str, object]]:
    return [(event["event"], event["data"]) for event in member.peer.events[1:]]


async def left(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Wait until the process has ended; its exit code, and what it said on standard error."""
    async with asyncio.timeout(GUARD_S):
        _, said = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_it_finish_what_it_took(
    process: asyncio.subprocess.Process, spark: Member, number: signal.Signals
) -> None:
    # One frame is one batch and one push: who has begun with the first has taken all.
    await spark.say(*({"type": "emit", "event": "job:new", "data": job, "target": "herald"} for job in range(3)))
    await spark.hears(2)
    assert names(spark) == [("work:begun", 0)]
    process.send_signal(number)
    assert process.stdin is not None
    process.stdin.write(b"\n\n\n")
    assert await left(process) == (0, "")
    await spark.hears(7)
    assert names(spark) == [(step, job) for job in range(3) for step in ("work:begun", "work:done")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_at_once_when_it_has_nothing_to_do(
    process: asyncio.subprocess.Process, hub: Hub, spark: Member, number: signal.Signals
) -> None:
    """And nothing of it is left in the registry."""
    process.send_signal(number)
    assert await left(process) == (0, "")
    assert [entry.session for entry in await hub.registry.list()] == [spark.session.id]


async def test_without_redis_it_waits_and_can_still_be_stopped(own_valkey: EmbeddedValkey, redis_url: str) -> None:
    own_valkey.kill()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.ipc.worker_process",
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": own_valkey.url, "BRIDGE_URL": ""},
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(GUARD_S):
        said = await process.stderr.readline()
    assert b"Redis is out of reach" in said
    process.terminate()
    code, more = await left(process)
    assert code == 0
    assert "Traceback" not in more


class NoBridge(BaseHTTPRequestHandler):
    """What answers 404 to everything, as Timeline does where a bridge gives tokens."""

    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Refusing(NoBridge):
    """A bridge that gives nobody a token."""

    def do_POST(self) -> None:
        said = json.dumps({"success": False, "error": "FORBIDDEN", "message": "herald gets none"}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


@pytest.fixture(scope="module")
def herald_certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("herald-certs")
    with override_settings(CERTS_DIR=directory):
        call_command("gencerts", service=["herald"], key_type="ec", verbosity=0)
    return directory


async def ended_by(**told: str) -> tuple[int | None, str]:
    """Run the worker where the environment is wrong, until it ends by itself."""
    silent = {"REDIS_URL": "", "BRIDGE_URL": "", "CERTS_DIR": "", "IPC_CA_FILE": "", "IPC_TOKEN": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.ipc.worker_process",
        cwd=ROOT,
        env=os.environ | silent | told,
        stderr=asyncio.subprocess.PIPE,
    )
    return await left(process)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, r"set BRIDGE_URL \(wss://host:3010\) or REDIS_URL \(.*\)"),
        ({"BRIDGE_URL": "wss://localhost:3510/ipc"}, r"BRIDGE_URL has a path \(/ipc\): write wss://localhost:3510"),
        (
            {"BRIDGE_URL": "wss://localhost:1", "IPC_CA_FILE": "/no/ca.pem"},
            r"the CA file /no/ca\.pem cannot be read: .*",
        ),
    ],
)
async def test_what_it_was_told_wrong_is_one_line_and_no_traceback(told: dict[str, str], said: str) -> None:
    """The second is seen at start, the last when it connects."""
    status, lines = await ended_by(**told)
    assert status == 1
    assert re.fullmatch(f"exprsn-herald: {said}\n", lines), lines


@pytest.mark.parametrize(
    ("bridge", "said"),
    [
        (NoBridge, "gives no token: HTTP 404: is BRIDGE_URL that of a bridge?"),
        (Refusing, "gives no token: herald gets none"),
    ],
)
async def test_what_it_is_refused_for_good_is_one_line_and_no_traceback(
    herald_certs: Path, bridge: type[NoBridge], said: str
) -> None:
    """The first is none: it is asked whether it is one."""
    with HTTPServer(("127.0.0.1", 0), bridge) as server:
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever))
        url = f"ws://127.0.0.1:{server.server_port}"
        status, lines = await ended_by(BRIDGE_URL=url, CERTS_DIR=str(herald_certs))
        server.shutdown()
        await serving
    assert (status, lines.count("\n")) == (1, 1), lines
    assert lines.endswith(f"/api/ipc/tokens {said}\n")
