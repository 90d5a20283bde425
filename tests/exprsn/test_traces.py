"""One trace through real processes, and the lines that they log about it: Timeline, a bridge and a sample service."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.clients import attached
from tests.exprsn.conftest import ROOT
from tests.servers import KINDS, Kind, ServerProcess

pytestmark = pytest.mark.processes
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
POST = {"content": "hello\n{}\x1b[2J"}
DEADLINE_S = 60


@asynccontextmanager
async def herald(bridge: ServerProcess, log: Path) -> AsyncIterator[None]:
    """The sample service, until it has left in order."""
    environment = {"BRIDGE_URL": bridge.ws_url, "IPC_CA_FILE": str(bridge.ca_file), "LOG_FORMAT": "json"}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "samples.herald", cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output
        )
    try:
        yield
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()


def lines(text: str) -> list[dict[str, Any]]:
    """Return what was logged, each line of which has to be JSON."""
    return [json.loads(line) for line in text.splitlines()]


def logged(server: ServerProcess) -> list[dict[str, Any]]:
    """Return what a server has logged; what the command runserver prints beside is no log, and has no level."""
    others = [line for line in server.output().splitlines() if not line.startswith("{")]
    assert not [line for line in others if re.search(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b", line)]
    return lines("\n".join(line for line in server.output().splitlines() if line.startswith("{")))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_to_timeline_can_be_followed_to_the_sample(
    kind: Kind, own_valkey: EmbeddedValkey, certificates: Path, tmp_path: Path
) -> None:
    bridge = servers.bridge(kind, own_valkey.url, certificates, tmp_path / "bridge", LOG_FORMAT="json")
    timeline = servers.timeline(own_valkey.url, certificates, tmp_path / "timeline", LOG_FORMAT="json")
    log = tmp_path / "herald.log"
    events = ("service:online", "post:created", "notification:sent")
    with bridge, timeline:
        async with attached(bridge, "timeline", *events) as observer, herald(bridge, log):
            assert (await observer.event())["data"]["service"] == "exprsn-herald"
            headers = {"X-IPC-Request": "true", "traceparent": TRACE}
            response = await asyncio.to_thread(timeline.request, "POST", "/api/posts", json=POST, headers=headers)
            assert response.status_code == 201, response.text
            event, report = sorted(await observer.events(2), key=lambda heard: str(heard["event"]), reverse=True)
    assert (event["event"], report["event"]) == ("post:created", "notification:sent")
    assert event["traceparent"][:36] == report["traceparent"][:36] == TRACE[:36]
    (said,) = [line for line in lines(log.read_text()) if "notified" in line["message"]]
    assert (said["service"], said["event_id"], said["trace_id"]) == ("exprsn-herald", event["id"], TRACE[3:35])
    assert "session" in said
    for server, service in ((bridge, "exprsn-bridge"), (timeline, "exprsn-timeline")):
        assert {line["service"] for line in logged(server)} == {service}
    if kind != "daphne":
        assert lines(bridge.output()) == logged(bridge)
