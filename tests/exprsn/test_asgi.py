"""The ASGI application of each service: what it serves, and what it does not."""

from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from certs.authority import new_root_key
from certs.names import CA
from certs.pair import KeyType
from certs.store import CertificateStore
from tests import servers
from tests.people import bearer, token_of
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A Timeline that no Redis is known to."""
    root = tmp_path_factory.mktemp("asgi")
    with servers.timeline("", servers.certificates(root / "certs"), root / "var") as server:
        yield server


def test_timeline_without_a_mesh_takes_posts(timeline: ServerProcess) -> None:
    """Healthy: their events wait in the outbox."""
    assert timeline.health() == 200
    response = timeline.request("POST", "/api/posts", json={"content": "hello"}, headers={"X-IPC-Request": "true"})
    assert response.status_code == 201
    assert timeline.get("/health").json()["checks"]["ipc"]["pending"] == 1


def test_timeline_takes_a_token_that_its_ca_has_signed(timeline: ServerProcess) -> None:
    """In a process of its own, over TLS; one of another CA is refused."""
    key = CertificateStore(timeline.ca_file.parent).read(CA).key
    headers = bearer(token_of("ann", key, permissions=["append"], resource="posts"))
    response = timeline.request("POST", "/api/posts", json={"content": "hello"}, headers=headers)
    assert (response.status_code, response.json()["userId"]) == (201, "ann")
    assert timeline.get("/api/posts", headers=headers).status_code == 403
    foreign = bearer(token_of("ann", new_root_key(KeyType.EC)))
    assert timeline.get("/api/posts", headers=foreign).json()["error"] == "TOKEN_INVALID"


def test_timeline_has_no_sockets(timeline: ServerProcess) -> None:
    """Who asks for one is refused in the handshake, without a traceback."""
    with pytest.raises(InvalidStatus) as refused, connect(f"{timeline.ws_url}/ipc/timeline", ssl=timeline.trust):
        pass
    assert refused.value.response.status_code == 403
    assert "Traceback" not in timeline.output()


def test_timeline_has_none_of_the_bridges_addresses(timeline: ServerProcess) -> None:
    response = timeline.get("/api/ipc/stats")
    assert (response.status_code, response.json()["error"]) == (404, "NOT_FOUND")


def test_plain_http_is_redirected(timeline: ServerProcess) -> None:
    response = httpx.get(f"http://localhost:{timeline.redirect_port}/api/posts", trust_env=False)
    assert (response.status_code, response.headers["location"]) == (301, f"{timeline.url}/api/posts")
