"""Several bridges behind one address: the nginx of docs/howto/socketio-behind-nginx.md, as the page has it."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.leash import leashed
from tests import servers
from tests.bridge.tokens import LOCKED, bearer, minted
from tests.clients import attached
from tests.markdown import ROOT, fences
from tests.node import NodeSockets
from tests.ports import free_port
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
PAGE = ROOT / "docs" / "howto" / "socketio-behind-nginx.md"
START_TIMEOUT_S = 20.0
MAIN = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    log_format bridges '$status $upstream_addr $request';
    access_log {folder}/access.log bridges;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {configuration}
}}
"""


@dataclass(frozen=True)
class Front:
    """Two bridges and the nginx before them."""

    url: str
    bridges: tuple[ServerProcess, ServerProcess]
    access_log: Path

    def upstreams(self, pattern: str) -> set[str]:
        """Return the addresses that requests of a kind were sent to."""
        lines = self.access_log.read_text().splitlines()
        return {line.split()[1] for line in lines if re.search(pattern, line)}


@pytest.fixture
def front(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path, scripts: Path) -> Iterator[Front]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    one, two = (
        servers.bridge(kind, own_valkey.url, certs_dir, tmp_path / kind, **LOCKED) for kind in servers.KINDS[:2]
    )
    port = free_port()
    (page,) = [fence.text for fence in fences(PAGE) if fence.language == "nginx"]
    for ours, theirs in (("3110", one.port), ("3111", two.port), ("3010", port)):
        page = re.sub(rf"\b{ours}\b", str(theirs), page)
    page = page.replace("/etc/exprsn/certs", str(certs_dir))
    (tmp_path / "nginx.conf").write_text(MAIN.format(folder=tmp_path, configuration=page))
    with one, two:
        nginx = subprocess.Popen(
            leashed([program, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")])
        )
        try:
            url = f"https://localhost:{port}"
            await_health(url, one, tmp_path / "error.log")
            yield Front(url, (one, two), tmp_path / "access.log")
        finally:
            nginx.terminate()
            nginx.wait(START_TIMEOUT_S)


def await_health(url: str, bridge: ServerProcess, log: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            assert httpx.get(f"{url}/health", verify=bridge.trust, trust_env=False).status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < give_up_at, log.read_text()
            time.sleep(0.05)
        else:
            return


async def test_clients_go_through_nginx_to_either_bridge_and_survive_the_loss_of_one(
    front: Front, own_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    token = (await minted(own_valkey.url, "spark")).token
    auth: dict[str, Any] = {"token": token}
    transports = {"w1": ("websocket",), "w2": ("websocket",), "p": ("polling",), "u": ("polling", "websocket")}
    positions: dict[str, Any] = {}
    for name, ways in transports.items():
        options = {"auth": auth}
        joined = await node.connect(name, front.bridges[0], "/ipc/spark", *ways, url=front.url, options=options)
        assert joined["connected"], joined
        positions[name] = (await node.hear(name, "ipc:welcome"))[0]["positions"]
        await node.do("reauth", name, auth={**auth, "positions": positions[name]})
    assert await node.do("upgraded", "u") == "websocket"
    emitted = {"event": "front:one", "payload": 1, "target": "spark"}
    assert (await node.ask("p", "ipc:emit", emitted))["success"]
    for name in transports:
        assert (await node.hear(name, "front:one"))[0] == 1
    addresses = {f"127.0.0.1:{bridge.port}" for bridge in front.bridges}
    assert len(front.upstreams("transport=polling")) == 1
    # A websocket is in the log when it has ended.
    gone, left = front.bridges
    gone.terminate()
    async with attached(left, "atlas", **bearer((await minted(own_valkey.url, "atlas")).token)) as emitter:
        said = await emitter.ask(type="emit", event="front:one", data=2, target="spark", ack=True)
        assert said["type"] == "ok"
    for name in transports:
        heard = 0
        while heard != 2:
            heard = (await node.hear(name, "front:one"))[0]
    for name in transports:
        await node.do("disconnect", name)
    assert left.health() == 200
    await_upstreams(front, addresses)


def await_upstreams(front: Front, addresses: set[str]) -> None:
    """Wait until the log has the websockets, on both bridges."""
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while not addresses <= front.upstreams(r"^101 "):
        assert time.monotonic() < give_up_at, front.access_log.read_text()
        time.sleep(0.05)
