"""What the package's tests ask of the world around them: a bridge that dies and comes back, tokens, workers in Python.

They ask over HTTP on the loopback. The bridge is started by the thread that answers, since its leash is held by that.
"""

import asyncio
import json
import threading
import traceback
from base64 import urlsafe_b64decode
from collections.abc import Coroutine
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypeVar

import redis

from ipc import EventContext, IPCError, IPCWorker
from ipc.protocol.errors import NotFoundError
from ipc.protocol.permissions import USUAL
from ipc.resources import CallContext
from ipc.transports.tokens import GivenToken
from ipc.transports.websocket import WebSocketTransport
from tests.bridge.tokens import managed, minted
from tests.servers import ServerProcess

DEADLINE_S = 30.0

T = TypeVar("T")


class World:
    """Answers what Node's tests ask, one question at a time.

    Args:
        bridge: started and stopped as they say.
        redis_url: of its Redis.
        certs_dir: where the certificates of services are.

    """

    def __init__(self, bridge: ServerProcess, redis_url: str, certs_dir: Path) -> None:
        self.bridge = bridge
        self.certs_dir = certs_dir
        self._redis_url = redis_url
        self._workers: dict[str, IPCWorker] = {}
        self._handled: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="workers of the world")
        self._thread.start()
        self.server = HTTPServer(("127.0.0.1", 0), _Handler)
        self.server.world = self  # type: ignore[attr-defined]  # found by its handler
        self.server.timeout = 0.05

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, question: str, said: dict[str, Any]) -> Any:
        """Return the answer to a question."""
        return getattr(self, f"on_{question}")(**said)

    def close(self) -> None:
        """Stop the workers, and answer no more."""
        self.on_stop_workers()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()
        self.server.server_close()

    # What is asked

    def on_token(
        self, service: str, permissions: list[str] | None = None, ttl_s: float = 600, *, stateful: bool = False
    ) -> str:
        """Return a token of a service; one with a state holds for as long as it is used."""
        lasts = {"stateful": True} if stateful else {"ttl_s": ttl_s}
        return self._wait_for(minted(self._redis_url, service, permissions=permissions or USUAL, **lasts)).token

    def on_revoke(self, token: str) -> None:
        """Revoke a token, as an operator would."""
        claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
        self._wait_for(managed(self._redis_url, lambda manager: manager.revoke(claims["id"], by="test")))

    def on_kill(self) -> None:
        """End the bridge as a crash would."""
        self.bridge.kill()

    def on_start(self) -> None:
        """Start the bridge again on its port."""
        self.bridge.start()

    def on_terminate(self) -> None:
        """Stop the bridge as an operator would."""
        self.bridge.terminate()

    def on_dead_letters(self, service: str, group: str) -> int:
        """Return how many dead letters a group has."""
        with redis.Redis.from_url(self._redis_url) as client:
            return int(client.xlen(f"ipc:dead:{{exprsn-{service}}}:{group}"))

    def on_join(self, service: str, group: str, event: str, credit: int = 1) -> None:
        """Start a member of a group in Python."""
        worker = self._worker(service)

        @worker.on(event, group=group, credit=credit)
        async def handle(data: Any, _: EventContext) -> None:
            self._handled.append(data)

        self._start(worker)

    def on_handled(self) -> list[Any]:
        """Return what members in Python have handled."""
        return self._handled

    def on_serve(self, service: str, resource: str) -> None:
        """Start an owner of a resource in Python."""
        worker = self._worker(service)

        @worker.resource(resource)
        class Things:
            async def read(self, key: Any, ctx: CallContext) -> Any:
                if key == "missing":
                    raise NotFoundError("there is no such thing", details={"key": key})
                return {"key": key, "by": ctx.source}

            async def create(self, data: Any) -> Any:
                return {"created": data}

            async def update(self, key: Any, data: Any) -> Any:
                return {"updated": [key, data]}

            async def delete(self, key: Any) -> Any:
                return {"deleted": key}

        self._start(worker)

    def on_call(self, service: str, op: str, resource: str, timeout_s: float = 10, **said: Any) -> dict[str, Any]:
        """Call a resource from Python, and return the reply or the error."""
        worker = self._worker(service)
        self._start(worker)
        try:
            return {"data": self._wait_for(worker.call(resource, op, timeout_s=timeout_s, **said))}
        except IPCError as error:
            told = {"code": str(error.code), "message": error.message, "retryable": error.retryable}
            return {"error": {**told, "details": dict(error.details or {})}}

    def on_stop_workers(self, service: str | None = None) -> None:
        """Stop the workers of a service, or all."""
        for name in [name for name in self._workers if service in {None, name}]:
            self._wait_for(self._workers.pop(name).stop())

    def _worker(self, service: str) -> IPCWorker:
        if service not in self._workers:
            self._workers[service] = IPCWorker(service)
        return self._workers[service]

    def _start(self, worker: IPCWorker) -> None:
        if worker.is_ready:
            return
        service = worker.service.removeprefix("exprsn-")
        transport = WebSocketTransport(
            self.bridge.ws_url, service, ca_file=self.bridge.ca_file, tokens=GivenToken(self.on_token(service))
        )
        self._wait_for(worker.start(transport))
        self._wait_for(worker.ready())

    def _wait_for(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(DEADLINE_S)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer a question, or say how it failed."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        world: World = self.server.world  # type: ignore[attr-defined]  # as `World` has made it
        try:
            status, body = 200, json.dumps({"answer": world.answer(self.path.strip("/"), said)})
        except Exception:  # noqa: BLE001 - whoever has asked shall read it
            status, body = 500, json.dumps({"error": traceback.format_exc()})
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""
