"""What runs beside a service's ASGI application, in its event loop: the hub, the worker and the relay."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from django.utils.module_loading import import_string
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ipc.django_app.apps import ipc_config
from ipc.django_app.conf import Conf
from ipc.django_app.relay import Relay
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.stores.connection import without_password
from ipc.tracing.configuration import trace_as_configured
from ipc.tracing.tracer import tracer_in_use
from ipc.transports.base import Transport
from ipc.transports.local import LocalTransport
from ipc.transports.tokens import token_source
from ipc.transports.websocket import WebSocketTransport
from ipc.worker import IPCWorker

logger = logging.getLogger(__name__)

CHECK_TIMEOUT_S = 2.0
RELAY_LEASE_S = 12.0
"""How long the events in the hands of a relay that was killed wait for the next one; half of it is for sending."""


class Runtime:
    """The parts that the settings of a service ask for.

    With ``REDIS_URL`` the process has a hub, unless ``BRIDGE_URL`` sends its worker through the bridge. A service with
    a worker also has a relay, which emits the outbox through that worker.
    """

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self._tasks = OwnedTasks(f"runtime {conf.service}")
        self.mesh: Mesh | None = None
        self.worker: IPCWorker | None = import_string(conf.worker_path) if conf.worker_path else None
        self.relay: Relay | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def hub(self) -> Hub | None:
        """The hub of this process, if it has one."""
        return self.mesh.hub if self.mesh is not None else None

    async def start(self) -> None:
        """Start all parts; Redis and the bridge may still be out of reach."""
        conf = self._conf
        trace_as_configured(conf.service)
        self._loop = asyncio.get_running_loop()
        if conf.redis_url and not (conf.bridge_url and self.worker is not None):
            self.mesh = Mesh(
                conf.redis_url,
                limits=conf.limits(),
                log_maxlen=conf.log_maxlen,
                log_ttl_s=conf.log_ttl_s,
                needs_persistence=not conf.in_development,
                # Only the bridge has doors that take tokens; its workers, such as Timeline's, are inside.
                make_tokens=conf.token_manager if self.worker is None else None,
                limits_rates=conf.rate_limit and self.worker is None,
            )
            await self.mesh.start()
            logger.info("%s joins the mesh at %s", conf.service, without_password(conf.redis_url))
        if self.worker is not None:
            await self._start_worker(self.worker)
        elif self.mesh is None:
            logger.warning("REDIS_URL is not set: there is no mesh, so sockets and the API answer 503")
        ipc_config().runtime = self

    async def drain(self) -> None:
        """Send the sessions of the hub away, and let no new ones in."""
        if self.mesh is not None:
            await self.mesh.hub.drain()

    async def stop(self) -> None:
        """Stop all parts in order: the relay, the worker, the hub."""
        if self.relay is not None:
            ipc_config().relay = None
            await self.relay.stop()
        if self.worker is not None:
            await self.worker.stop()
        await self._tasks.close()
        if self.mesh is not None:
            await self.mesh.stop()
        ipc_config().runtime = None
        if (tracer := tracer_in_use()) is not None:
            # Some servers end by the signal that stopped them, and then nothing is done at the exit.
            await asyncio.to_thread(tracer.flush)

    async def health(self) -> dict[str, dict[str, Any]]:
        """Return the state of each part that this process has, with what is wrong where something is."""
        checks: dict[str, dict[str, Any]] = {}
        if self.mesh is not None:
            checks["redis"], checks["log"] = await self._redis_check(self.mesh)
        if self.worker is not None:
            checks["worker"] = {"ok": self.worker.is_ready}
        return checks

    def do_beside(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Do something beside the application, asked for from any thread; nobody waits for it.

        A process that has not joined the mesh does nothing.
        """
        if self.mesh is None or self._loop is None:
            return
        # A thread may still ask when the loop has ended.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._tasks.start(work(), name))

    def count_bypass(self, kind: str) -> None:
        """Count a use of the development bypass in the statistics, from any thread."""
        if self.mesh is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.mesh.hub.counters.named.bypass, kind)

    async def _start_worker(self, worker: IPCWorker) -> None:
        transport = self._transport(worker.service, worker.version or self._conf.version)
        if transport is None:
            logger.error("%s hears and says nothing: set REDIS_URL or BRIDGE_URL", worker.service)
            self.worker = None
            return
        await worker.start(transport)
        self.relay = ipc_config().relay = Relay(worker.emit, lease_s=RELAY_LEASE_S)
        self._tasks.start(self.relay.run(), "relay")

    def _transport(self, service: str, version: str) -> Transport | None:
        if self.mesh is not None:
            return LocalTransport(self.mesh.hub, service, version=version)
        if self._conf.bridge_url:
            conf = self._conf
            tokens = token_source(conf.token, conf.bridge_url, service, certs_dir=conf.certs_dir, ca_file=conf.ca_file)
            return WebSocketTransport(
                conf.bridge_url,
                service,
                ca_file=conf.ca_file,
                certs_dir=conf.certs_dir,
                version=version,
                tokens=tokens,
            )
        return None

    @staticmethod
    async def _redis_check(mesh: Mesh) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await mesh.redis.ping()
                return _redis_answer(mesh), {"ok": True, "lagMs": await mesh.hub.logs.lag_ms()}
        except (TimeoutError, RedisError, IPCError, OSError) as error:
            logger.warning("health: Redis is out of reach: %s", error)
            unreachable = {"ok": False, "error": "Redis is out of reach"}
            return unreachable, unreachable


def _redis_answer(mesh: Mesh) -> dict[str, Any]:
    warnings = mesh.keeper.warnings
    return {"ok": True, "warnings": warnings} if warnings else {"ok": True}


def current_runtime() -> Runtime | None:
    """Return what runs in this process beside the application, if anything does."""
    runtime = ipc_config().runtime
    return runtime if isinstance(runtime, Runtime) else None


def current_hub() -> Hub | None:
    """Return the hub that runs in this process, if one does."""
    runtime = current_runtime()
    return runtime.hub if runtime is not None else None


def running_hub() -> Hub:
    """Return the hub that runs in this process.

    Raises:
        UnavailableError: none does.

    """
    hub = current_hub()
    if hub is None:
        raise UnavailableError("the hub does not run")
    return hub


def current_redis() -> Redis | None:
    """Return the Redis of the mesh that this process has joined, if it has; it belongs to the server's event loop."""
    runtime = current_runtime()
    return runtime.mesh.redis if runtime is not None and runtime.mesh is not None else None


def running_redis() -> Redis:
    """Return the Redis of the mesh that this process has joined, to be used in the event loop of the server.

    Raises:
        UnavailableError: it has joined none.

    """
    redis = current_redis()
    if redis is None:
        raise UnavailableError("this process has joined no mesh: REDIS_URL says where it is")
    return redis
