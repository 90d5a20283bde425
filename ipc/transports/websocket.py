"""Through the bridge: one WebSocket per instance at ``wss://<bridge>/ipc/<service>``."""

import asyncio
import os
import socket
import ssl
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from ipc.protocol.errors import BadMessageError, ConnectionClosedError
from ipc.protocol.ids import new_ulid
from ipc.protocol.services import namespace

CONNECT_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 2.0
MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_WAITING_FRAMES = 16
LOST = 1006


class WebSocketTransport:
    """A transport to a bridge.

    Args:
        url: of the bridge, ``wss://host:port``; ``ws://`` is for tests and for TLS that ends in front of it.
        service: whose session it is.
        ca_file: the CA that signed the bridge's certificate; without it the system's authorities count.
        version: of the service, to be shown.

    """

    def __init__(self, url: str, service: str, *, ca_file: Path | None = None, version: str = "") -> None:
        self._uri = url.rstrip("/") + namespace(service)
        self._ca_file = ca_file
        self._headers = {
            "X-IPC-Pid": str(os.getpid()),
            "X-IPC-Hostname": socket.gethostname(),
            "X-IPC-Instance": new_ulid(),
        }
        if version:
            self._headers["X-IPC-Version"] = version
        self._socket: ClientConnection | None = None

    async def connect(self) -> None:
        """Open the WebSocket.

        Raises:
            ConnectionClosedError: the bridge is out of reach or its certificate is not trusted, try again.
            BadMessageError: the URL is no WebSocket address, or the CA file cannot be read.

        """
        try:
            self._socket = await connect(
                self._uri,
                ssl=self._ssl_context(),
                additional_headers=self._headers,
                open_timeout=CONNECT_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=MAX_FRAME_BYTES,
                max_queue=MAX_WAITING_FRAMES,
                compression=None,
                proxy=None,
            )
        except InvalidURI as error:
            raise BadMessageError(f"{self._uri!r} is no WebSocket address: write wss://host:port") from error
        except ssl.SSLCertVerificationError as error:
            hint = "CERTS_DIR or IPC_CA_FILE names the CA that signed its certificate"
            raise ConnectionClosedError(LOST, f"{self._uri} is not trusted: {error.verify_message}; {hint}") from error
        except (OSError, InvalidHandshake, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise ConnectionClosedError(LOST, f"{self._uri} cannot be reached: {why}") from error

    async def send(self, frame: str) -> None:
        """Send a text frame."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._connected().send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from error
        except TimeoutError as error:
            raise ConnectionClosedError(LOST, f"the bridge took no data for {SEND_TIMEOUT_S:g} s") from error

    async def receive(self) -> str:
        """Wait for the next text frame; a dead bridge is noticed by the keep-alive of the WebSocket (20 s)."""
        try:
            return await self._connected().recv(decode=True)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self) -> None:
        """Close the WebSocket."""
        websocket, self._socket = self._socket, None
        if websocket is not None:
            await websocket.close()

    async def aclose(self) -> None:
        """Close the WebSocket; nothing else is owned."""
        await self.close()

    def _connected(self) -> ClientConnection:
        if self._socket is None:
            raise ConnectionClosedError(LOST, "not connected")
        return self._socket

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self._uri.startswith("ws:"):
            return None
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise BadMessageError(f"the CA file {self._ca_file} cannot be read: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _closed(error: ConnectionClosed) -> ConnectionClosedError:
    if error.rcvd is None:
        return ConnectionClosedError(LOST, "the connection was lost")
    return ConnectionClosedError(error.rcvd.code, error.rcvd.reason)
