"""What goes wrong most often, provoked beside a running system: each returns what whoever is at fault is told."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from websockets.asyncio.client import connect

from certs.tls import client_context
from exprsn.supervision.preparation import PreparationError, check_ports_free
from ipc import IPCError, IPCWorker
from ipc.django_app import checks
from ipc.protocol.ids import new_ulid
from ipc.protocol.permissions import USUAL
from ipc.protocol.services import full_name
from ipc.protocol.tokens import DEVELOPMENT, Claims, TokenKeys
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.bridge.tokens import NEW_KEY, managed
from tests.scene import OPERATOR, Scene

TIMEOUT_S: Final = 20.0

Provocation = Callable[[Scene], Awaitable[str]]


async def refusal(work: Awaitable[object]) -> str:
    """Return the error that something ends with."""
    try:
        await work
    except (IPCError, PreparationError, ImproperlyConfigured) as error:
        return str(error)
    raise AssertionError("nothing went wrong")


async def said_of(answer: Awaitable[Any]) -> str:
    said = await answer
    return f"{said['error']}: {said['message']}"


# Before anything runs


async def port_taken(scene: Scene) -> str:
    return await refusal(asyncio.to_thread(check_ports_free, {"BRIDGE_PORT": scene.port}))


async def started_twice(scene: Scene) -> str:
    return await asyncio.to_thread(scene.fail, ".venv/bin/python", "manage.py", "up")


async def unsafe(_scene: Scene, **settings: Any) -> str:
    with override_settings(DEV_BYPASS=True, IPC_BYPASS_AUTH=True, **settings):
        return await refusal(asyncio.to_thread(checks.refuse_unsafe_settings))


# Connecting


async def authority_unknown_to_curl(scene: Scene) -> str:
    return await asyncio.to_thread(scene.fail, "curl", f"{scene.url}/health")


async def environment_says_nothing(_scene: Scene) -> str:
    return await refusal(IPCWorker("pulse").start())


class Lines(logging.Handler):
    """The lines that a worker writes."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.queue.put_nowait(record.getMessage())


async def not_connected(url: str, ca_file: Path | None) -> str:
    """Return what a worker writes that cannot connect."""
    lines, logger = Lines(), logging.getLogger("ipc.transports.link")
    logger.addHandler(lines)
    worker = IPCWorker("pulse")
    await worker.start(WebSocketTransport(url, "pulse", ca_file=ca_file))
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await lines.queue.get()
    finally:
        logger.removeHandler(lines)
        await worker.stop()


async def bridge_away(scene: Scene) -> str:
    return await not_connected(f"wss://localhost:{servers.free_port()}", scene.ca_file)


async def authority_unknown(scene: Scene) -> str:
    return await not_connected(scene.socket_url, None)


async def service_unknown(_scene: Scene) -> str:
    return await refusal(asyncio.to_thread(IPCWorker, "timelime"))


# Proofs


async def nobody(scene: Scene) -> str:
    return await said_of(scene.ask("GET", "/api/ipc/groups", {}))


async def shown(scene: Scene, token: str) -> str:
    """Show a token at the namespace of svr, and return what it is refused with."""
    trust, headers = client_context(scene.ca_file), {"Authorization": f"Bearer {token}"}
    async with connect(f"{scene.socket_url}/ipc/svr", ssl=trust, proxy=None, additional_headers=headers) as socket:
        said = json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
    return f"{said['code']}: {said['message']}"


def signed(key: str, *, from_s: float, until_s: float) -> str:
    now_s = time.time()
    claims = Claims(
        id=new_ulid(),
        source=full_name("svr"),
        iat=now_s + from_s,
        exp=now_s + until_s,
        permissions=USUAL,
        env=DEVELOPMENT,
    )
    return TokenKeys.of(key).sign(claims)


async def minted(scene: Scene, service: str, *, is_revoked: bool = False, permissions: tuple[str, ...] = USUAL) -> str:
    """Return a token of the system's own."""
    key = scene.secret("broker_key")
    made = await managed(
        scene.redis_url, lambda manager: manager.mint(service, permissions=permissions, by="test"), key=key
    )
    if is_revoked:
        await managed(scene.redis_url, lambda manager: manager.revoke(made.claims.id, by="test"), key=key)
    return made.token


async def token_expired(scene: Scene) -> str:
    return await shown(scene, signed(scene.secret("broker_key"), from_s=-9, until_s=-1))


async def token_of_another_mesh(scene: Scene) -> str:
    return await shown(scene, signed(NEW_KEY, from_s=0, until_s=60))


async def token_of_another_service(scene: Scene) -> str:
    return await shown(scene, await minted(scene, "atlas"))


async def token_revoked(scene: Scene) -> str:
    return await shown(scene, await minted(scene, "svr", is_revoked=True))


async def not_permitted(scene: Scene) -> str:
    headers = {"Authorization": f"Bearer {await minted(scene, 'svr', permissions=('emit:stock:*',))}"}
    return await said_of(scene.ask("POST", "/api/ipc/emit", headers, {"event": "post:created"}))


# Events


async def emitted(scene: Scene, **event: Any) -> str:
    return await said_of(scene.ask("POST", "/api/ipc/emit?service=svr", body={"target": "svr", **event}))


async def too_many(scene: Scene) -> str:
    """Two lists of half a thousand are too much; the service is nobody else's here."""
    events = [{"event": "load:sent", "target": "live"}] * 512
    assert (await scene.ask("POST", "/api/ipc/emit?service=live", body=events))["success"]
    return await said_of(scene.ask("POST", "/api/ipc/emit?service=live", body=events))


async def first_error(scene: Scene, worker: IPCWorker, **options: Any) -> str:
    """Return what the hook of a worker is told first."""
    errors: asyncio.Queue[str] = asyncio.Queue()
    worker.hook("error")(lambda error: errors.put_nowait(str(error)))
    await worker.start(scene.transport(worker.service), **options)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await errors.get()
    finally:
        await worker.stop()


async def missed(scene: Scene) -> str:
    """Resume from a position that the log has not."""
    worker = IPCWorker("svr")

    @worker.on("stock:*")
    async def heard(_data: object, _ctx: object) -> None:
        """Nothing comes."""

    return await first_error(scene, worker, since={"broadcast": "9999999999999-0"})


async def redis_away(scene: Scene) -> str:
    """A bridge of its own, whose Redis does not answer."""
    var_dir = scene.folder / "bridge-without-redis"
    nowhere = f"redis://127.0.0.1:{servers.free_port()}/0"
    with servers.bridge("uvicorn", nowhere, scene.certs_dir, var_dir) as bridge:
        assert bridge.health() == 503
        answer = await asyncio.to_thread(
            bridge.request, "POST", "/api/ipc/emit?service=svr", headers=OPERATOR, json={"event": "stock:low"}
        )
    return f"{answer.json()['error']}: {answer.json()['message']}"


# Calls


class Maps:
    """A resource whose owner waits, or breaks."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def wait(self) -> None:
        self.has_begun.set()
        await self.goes_on.wait()

    async def break_down(self) -> None:
        raise KeyError("stock")


@asynccontextmanager
async def owned(scene: Scene, *, limit: int | None = None) -> AsyncIterator[tuple[IPCWorker, Maps]]:
    """A worker that serves a resource, and calls it too."""
    worker, maps = IPCWorker("svr"), Maps()
    worker.resource("maps", limit=limit)(maps)
    async with scene.worker(worker):
        yield worker, maps


async def nobody_serves(scene: Scene) -> str:
    async with scene.worker(IPCWorker("svr")) as worker:
        return await refusal(worker.read("stocks", key="1"))


async def too_late(scene: Scene) -> str:
    async with owned(scene) as (worker, _):
        return await refusal(worker.call("maps", "wait", timeout_s=0.3))


async def broken(scene: Scene, *, times: int = 1) -> str:
    async with owned(scene) as (worker, _):
        return [await refusal(worker.call("maps", "break_down")) for _ in range(times)][-1]


async def too_much_at_once(scene: Scene) -> str:
    async with owned(scene, limit=1) as (worker, maps):
        waiting = asyncio.create_task(worker.call("maps", "wait"))
        await maps.has_begun.wait()
        said = await refusal(worker.call("maps", "wait"))
        maps.goes_on.set()
        await waiting
        return said


async def served_by_another(scene: Scene) -> str:
    """Posts are Timeline's."""
    worker = IPCWorker("svr")
    worker.resource("posts")(Maps())
    return await first_error(scene, worker)


async def key_as_query(scene: Scene) -> str:
    async with scene.worker(IPCWorker("svr")) as worker:
        return await refusal(worker.read("posts", "6f1c5a52-5b0c-4b4e-9c69-6a9df2c3b6f1"))


PROVOCATIONS: Final[tuple[Provocation, ...]] = (
    port_taken,
    started_twice,
    partial(unsafe, EXPRSN_ENV="production"),
    partial(unsafe, EXPRSN_ENV="development", BIND_HOST="0.0.0.0"),  # noqa: S104 - it is what is refused
    partial(unsafe, EXPRSN_SERVICE="bridge", IPC_BROKER_KEY="short"),
    authority_unknown_to_curl,
    environment_says_nothing,
    bridge_away,
    authority_unknown,
    service_unknown,
    nobody,
    token_expired,
    token_of_another_mesh,
    token_of_another_service,
    token_revoked,
    not_permitted,
    partial(emitted, event="created"),
    partial(emitted, event="stock:low", target="stocks"),
    partial(emitted, event="stock:low", data="x" * 300_000),
    too_many,
    missed,
    nobody_serves,
    too_late,
    broken,
    too_much_at_once,
    partial(broken, times=6),
    served_by_another,
    key_as_query,
    redis_away,
)
"""In the order of the guide's rows."""
