"""The in-process door: a session on a hub of this process, without a socket in between."""

import asyncio
import contextlib
import os
import socket
from typing import NamedTuple

from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.hub.session import Identity, Origin, Session
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import ConnectionClosedError
from ipc.protocol.ids import new_ulid
from ipc.protocol.services import full_name

MAX_WAITING_FRAMES = 64


class _Closed(NamedTuple):
    code: int
    reason: str


_NOT_CONNECTED = _Closed(1006, "not connected")
_LEFT = _Closed(1000, "left")


class _QueuePeer:
    """The worker's end of a session: a bounded queue of frames, the last item of which says why it is over."""

    def __init__(self, closed: _Closed | None = None) -> None:
        self.frames: asyncio.Queue[str | _Closed] = asyncio.Queue(MAX_WAITING_FRAMES)
        self.closed = closed

    async def send(self, frame: str) -> None:
        await self.frames.put(frame)

    async def close(self, code: int, reason: str) -> None:
        self.closed = _Closed(code, reason)
        # In a full queue it is not needed: the reader looks at `closed` when it has emptied it.
        with contextlib.suppress(asyncio.QueueFull):
            self.frames.put_nowait(self.closed)


class LocalTransport:
    """A transport to a hub in the same process and event loop.

    Args:
        hub: a started hub of this process.
        service: whose session it is; the process is inside the trust zone, so nothing has to be proved.
        version: of the service, to be shown.

    """

    def __init__(self, hub: Hub, service: str, *, version: str = "") -> None:
        self._hub = hub
        self._service = full_name(service)
        self._version = version
        self._instance_id = new_ulid()
        self._session: Session | None = None
        self._peer = _QueuePeer(_NOT_CONNECTED)

    async def connect(self) -> None:
        """Attach to the hub."""
        if self._hub.is_draining:
            raise ConnectionClosedError(CloseCode.DRAINING, "the hub of this process has stopped")
        self._peer = _QueuePeer()
        self._session = self._hub.attach(
            self._peer,
            Identity(service=self._service, permissions=frozenset({"*"})),
            Origin(
                door="local",
                pid=os.getpid(),
                hostname=socket.gethostname(),
                instance_id=self._instance_id,
                version=self._version,
            ),
        )

    async def send(self, frame: str) -> None:
        """Hand a frame to the hub."""
        if self._session is None or self._session.is_closed:
            raise self._closed_error()
        await self._hub.receive(self._session, frame)

    async def receive(self) -> str:
        """Wait for the next frame of the hub."""
        item = self._peer.closed if self._peer.frames.empty() and self._peer.closed else await self._peer.frames.get()
        if isinstance(item, _Closed):
            raise ConnectionClosedError(item.code, item.reason)
        return item

    async def close(self) -> None:
        """Detach from the hub."""
        session, self._session = self._session, None
        if session is not None:
            await self._hub.detach(session)
            # Whoever waits in `receive` has to hear of it.
            await self._peer.close(*(self._peer.closed or _LEFT))

    async def aclose(self) -> None:
        """Detach; the hub belongs to the process."""
        await self.close()

    def _closed_error(self) -> ConnectionClosedError:
        closed = self._peer.closed or _NOT_CONNECTED
        return ConnectionClosedError(closed.code, closed.reason)


class MeshTransport:
    """A transport that joins the mesh directly, with a hub of its own that starts at the first connection.

    Args:
        redis_url: the Redis that holds the logs.
        service: whose session it is.
        version: of the service, to be shown.

    """

    def __init__(self, redis_url: str, service: str, *, version: str = "") -> None:
        self._redis_url = redis_url
        self._service = service
        self._version = version
        self._mesh: Mesh | None = None
        self._local: LocalTransport | None = None

    async def connect(self) -> None:
        """Start the hub if it does not run yet, and attach to it."""
        if self._mesh is None or self._local is None:
            self._mesh = Mesh(self._redis_url)
            self._local = LocalTransport(self._mesh.hub, self._service, version=self._version)
            await self._mesh.start()
        await self._local.connect()

    async def send(self, frame: str) -> None:
        """Hand a frame to the hub."""
        await self._connected().send(frame)

    async def receive(self) -> str:
        """Wait for the next frame of the hub."""
        return await self._connected().receive()

    async def close(self) -> None:
        """Detach from the hub."""
        if self._local is not None:
            await self._local.close()

    async def aclose(self) -> None:
        """Detach, and stop the hub."""
        await self.close()
        mesh, self._mesh, self._local = self._mesh, None, None
        if mesh is not None:
            await mesh.stop()

    def _connected(self) -> LocalTransport:
        if self._local is None:
            raise ConnectionClosedError(1006, "not connected")
        return self._local
