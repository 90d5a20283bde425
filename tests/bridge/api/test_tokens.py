"""Tokens for certificates: who proves who it is gets one for some minutes, and a worker does all that by itself."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from certs.authority import new_root_key, root_of
from certs.names import alternative_names
from certs.pair import KeyType, key_to_pem, new_key
from certs.store import CertificateStore
from exprsn.embedded import EmbeddedValkey
from ipc import IPCWorker
from ipc.protocol.errors import ConnectionClosedError, ForbiddenError, TokenError
from ipc.protocol.permissions import USUAL
from ipc.stores.audit_filter import AuditFilter
from ipc.transports.environment import transport_from_environment
from ipc.transports.tokens import CertificateTokens, GivenToken
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.bridge.tokens import LOCKED, bearer, managed, minted
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

PATH = "/api/ipc/tokens"
CERTIFICATE_FILES = (("certificate", "cert"), ("key", "key"))
IMPOSTORS = AuditFilter(action="token.refused", subject="exprsn-spark")


@pytest.fixture(scope="module")
def service_certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and the certificates of the bridge, of herald and of spark."""
    directory = servers.certificates(tmp_path_factory.mktemp("service-certs"))
    store = CertificateStore(directory)
    found = store.read_authority()
    assert found is not None
    (root, *_), ca_key = found
    authority = root_of(ca_key) if ca_key is not None else None
    assert authority is not None
    assert root.subject == authority.certificate.subject
    for name, kind in (("exprsn-herald", KeyType.RSA), ("exprsn-spark", KeyType.EC)):
        key = new_key(kind)
        store.write(name, [authority.issue(name, alternative_names(name), key, days=30)], key)
    return directory


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def locked(
    request: pytest.FixtureRequest,
    bridge_valkey: EmbeddedValkey,
    service_certs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """A bridge whose tokens hold two seconds."""
    var_dir = tmp_path_factory.mktemp(f"tokens-{request.param}")
    settings = {**LOCKED, "IPC_TOKEN_TTL": "2", "IPC_PERMISSIONS": '{"exprsn-svr": []}'}
    with servers.bridge(request.param, bridge_valkey.url, service_certs, var_dir, **settings) as server:
        yield server
        output = server.output()
        assert "Traceback" not in output
        assert "eyJ" not in output, "a token or an assertion is in the log"


def source_of(server: ServerProcess, certs_dir: Path, name: str = "exprsn-herald", **changes: Any) -> CertificateTokens:
    files = {
        "certificate_file": certs_dir / f"{name}-cert.pem",
        "key_file": certs_dir / f"{name}-key.pem",
        "ca_file": server.ca_file,
        **changes,
    }
    return CertificateTokens(server.ws_url, name, **files)


async def test_asking_for_one_leaves_no_line_in_the_log_of_the_service(
    locked: ServerProcess, service_certs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked for again every few minutes, and httpx would write of each; what others do with httpx is logged."""
    with caplog.at_level(logging.INFO, logger="httpx"):
        await source_of(locked, service_certs).token()
        assert caplog.messages == []
        async with httpx.AsyncClient(verify=locked.trust, trust_env=False) as client:
            await client.get(f"{locked.url}/health")
    assert [record.name for record in caplog.records] == ["httpx"]


@pytest.mark.parametrize("name", ["exprsn-herald", "exprsn-spark"])
async def test_a_certificate_gives_a_token_of_its_service(
    locked: ServerProcess, service_certs: Path, bridge_valkey: EmbeddedValkey, name: str
) -> None:
    """With an RSA and with an EC key; the token has the usual permissions, is for the bridge, and lets in."""
    token = (await source_of(locked, service_certs, name).token()).text
    claims = await managed(bridge_valkey.url, lambda manager: manager.verify(token))
    assert (claims.source, claims.target, claims.permissions) == (name, "exprsn-bridge", USUAL)
    assert (round(claims.exp - claims.iat), claims.stateful, claims.rate_limit_exempt) == (2, False, False)
    async with attached(locked, name, **bearer(token)) as client:
        assert await client.is_well()


async def test_a_request_with_a_token_speaks_for_its_service_and_no_other(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey
) -> None:
    token = (await minted(bridge_valkey.url, permissions=["emit:proof:*"])).token
    headers = {"Authorization": f"Bearer {token}"}

    def emitted(event: str, query: str = "") -> int:
        path = f"/api/ipc/emit{query}"
        return locked.request("POST", path, json={"event": event}, headers=headers).status_code

    asked = [("proof:given", ""), ("other:thing", ""), ("proof:given", "?service=spark")]
    answers = [await asyncio.to_thread(emitted, *each) for each in asked]
    assert answers == [200, 403, 403]
    headers["Authorization"] = "Bearer a.b.c"
    assert await asyncio.to_thread(emitted, "proof:given") == 401


async def test_an_assertion_is_good_for_once(locked: ServerProcess, service_certs: Path) -> None:
    assertion = source_of(locked, service_certs)._assertion()
    answers = [locked.request("POST", PATH, json={"assertion": assertion}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[0].json()["data"]["permissions"] == list(USUAL)
    assert answers[0].headers["Cache-Control"] == "no-store"
    assert answers[1].json()["error"] == "TOKEN_INVALID"
    assert "used before" in answers[1].json()["message"]


async def test_a_foreign_ca_gives_nothing(locked: ServerProcess, tmp_path: Path) -> None:
    authority, key = root_of(new_root_key(KeyType.EC)), new_key(KeyType.EC)
    certificate = authority.issue("exprsn-herald", alternative_names("exprsn-herald"), key, days=30)
    CertificateStore(tmp_path).write("exprsn-herald", [certificate], key)
    with pytest.raises(TokenError, match="not one of our CA"):
        await source_of(locked, tmp_path).token()
    (tmp_path / "other-key.pem").write_bytes(key_to_pem(new_key(KeyType.EC)))
    # What the library would notice by itself, a thief of a certificate would send.
    assertion = source_of(locked, tmp_path, key_file=tmp_path / "other-key.pem")._assertion()
    assert locked.request("POST", PATH, json={"assertion": assertion}).status_code == 401


async def test_who_has_the_key_of_one_service_and_says_to_be_another_is_written_down(
    locked: ServerProcess, service_certs: Path, bridge_valkey: EmbeddedValkey
) -> None:
    """In the trail once a minute, and each time in the log, with the address."""
    files = {f"{kind}_file": service_certs / f"exprsn-spark-{end}.pem" for kind, end in CERTIFICATE_FILES}
    source = source_of(locked, service_certs, "exprsn-herald", **files)

    async def impostors() -> list[tuple[str, Any]]:
        page = await managed(bridge_valkey.url, lambda manager: manager.audit.read(IMPOSTORS))
        return [(entry.by, entry.details) for entry in page.entries]

    before = await impostors()
    for _ in range(2):
        answer = locked.request("POST", PATH, json={"assertion": source._assertion()})
        assert (answer.status_code, answer.json()["error"]) == (401, "TOKEN_INVALID")
    told = await impostors()
    said = {"code": "TOKEN_WRONG_SERVICE", "source": "exprsn-spark", "claimed": "exprsn-herald"}
    assert told[0] == ("127.0.0.1", said)
    # The bridges of both servers have one trail, so there need not be another entry.
    assert len(told) <= len(before) + 1
    assert locked.output().count("an assertion of exprsn-herald from 127.0.0.1 was refused: iss and sub") == 2


def test_a_name_that_is_none_is_not_in_the_log(locked: ServerProcess) -> None:
    said = base64.urlsafe_b64encode(b'{"iss":"exprsn-nobody","sub":"a\\nb"}').rstrip(b"=").decode()
    assert locked.request("POST", PATH, json={"assertion": f"e30.{said}.x"}).status_code == 401
    assert "an assertion of an unknown service from 127.0.0.1 was refused: x5c" in locked.output()
    assert "exprsn-nobody" not in locked.output()


async def test_who_is_left_no_permission_gets_no_token(locked: ServerProcess, service_certs: Path) -> None:
    store = CertificateStore(service_certs)
    found = store.read_authority()
    assert found is not None
    assert found[1] is not None
    key = new_key(KeyType.EC)
    store.write(
        "exprsn-svr", [root_of(found[1]).issue("exprsn-svr", alternative_names("exprsn-svr"), key, days=1)], key
    )
    with pytest.raises(ForbiddenError, match="IPC_PERMISSIONS"):
        await source_of(locked, service_certs, "exprsn-svr").token()


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {}}, 400),
        ({"json": {"assertion": 1}}, 400),
        ({"json": {"assertion": "a.b.c"}}, 401),
        ({"json": {"assertion": "x" * 100_000}}, 401),
        ({"json": {"assertion": "a.b.c", "permissions": ["*"]}}, 400),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": {"assertion": "a.b.c"}}, 415),
    ],
)
def test_what_is_wrong_is_refused(locked: ServerProcess, options: dict[str, Any], status: int) -> None:
    answer = locked.request("POST", PATH, **options)
    assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_it_is_posted_or_listed_and_nothing_else(locked: ServerProcess) -> None:
    assert locked.get(PATH).status_code == 401
    assert locked.request("PUT", PATH).status_code == 405


async def test_a_worker_proves_itself_and_renews_on_the_open_socket(
    locked: ServerProcess, service_certs: Path, monkeypatch: pytest.MonkeyPatch, bridge_valkey: EmbeddedValkey
) -> None:
    """With nothing but the address and the directory in its environment; it outlives its first token twice over."""
    for name, value in (("BRIDGE_URL", locked.ws_url), ("CERTS_DIR", str(service_certs)), ("IPC_TOKEN", "a.b.c")):
        monkeypatch.setenv(name, value)
    worker = IPCWorker("herald")
    connections: list[str] = []
    worker.hook("ready")(lambda welcome: connections.append(welcome.session))
    await worker.start(transport_from_environment("herald"))
    try:
        await worker.ready()
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 5:
            await worker.emit("proof:given")
        assert len(connections) == 1
    finally:
        await worker.stop()


async def test_a_worker_that_is_refused_for_good_says_so_and_stops_trying(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey
) -> None:
    wrong = await minted(bridge_valkey.url, "spark")
    worker = IPCWorker("herald")
    errors: asyncio.Queue[Exception] = asyncio.Queue()
    worker.hook("error")(errors.put_nowait)
    tokens = GivenToken(wrong.token)
    await worker.start(WebSocketTransport(locked.ws_url, "herald", ca_file=locked.ca_file, tokens=tokens))
    async with asyncio.timeout(15):
        error = await errors.get()
    assert isinstance(error, ConnectionClosedError)
    assert error.close_code == 4401
    assert "TOKEN_WRONG_SERVICE" in error.reason
    await worker.stop()
