"""Through the bridge: one WebSocket per instance at ``wss://<bridge>/ipc/<service>``."""

import asyncio
import logging
import os
import socket
import ssl
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI

from ipc.hub.tasks import OwnedTasks
from ipc.protocol import codec
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import LOST, ConfigurationError, ConnectionClosedError, IPCError
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import Auth
from ipc.protocol.services import full_name, namespace
from ipc.transports.sender import backoff_s
from ipc.transports.tokens import Token, TokenSource
from ipc.transports.trust import LOCALHOST, identity_of, out_of_reach, trust_of

CONNECT_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 2.0
MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_WAITING_FRAMES = 16
# A bridge takes every socket, and says in it what is wrong.
_OF_OTHERS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})

logger = logging.getLogger(__name__)


class WebSocketTransport:
    """A transport to a bridge.

    Args:
        url: of the bridge, ``wss://host:port``; ``ws://`` is for tests and for TLS that ends in front of it.
        service: whose session it is.
        ca_file: the CA that signed the bridge's certificate; without it the system's authorities count.
        certs_dir: where the certificate of the service is, or localhost's, for a bridge that asks for one; it is read
            for each connection, so it may be renewed.
        version: of the service, to be shown.
        tokens: gives the broker token that proves who this is; None where nobody asks, on a development machine.

    """

    def __init__(
        self,
        url: str,
        service: str,
        *,
        ca_file: Path | None = None,
        certs_dir: Path | None = None,
        version: str = "",
        tokens: TokenSource | None = None,
    ) -> None:
        self._uri = url.rstrip("/") + namespace(service)
        self._service = full_name(service)
        self._ca_file = ca_file
        self._certs_dir = certs_dir
        self._tokens = tokens
        self._token: Token | None = None
        self._renewing = OwnedTasks(f"token of {service}")
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
            ConnectionClosedError: the bridge is out of reach or one of the two is not trusted, try again.
            ConfigurationError: the URL is no WebSocket address, or the CA file or the certificate cannot be read.
            IPCError: the bridge gives no token.

        """
        headers = self._headers
        if self._tokens is not None:
            self._token = await self._tokens.token()
            headers = {**headers, "Authorization": f"Bearer {self._token.text}"}
        try:
            self._socket = await connect(
                self._uri,
                ssl=self._ssl_context(),
                create_connection=_Connection,
                additional_headers=headers,
                open_timeout=CONNECT_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=MAX_FRAME_BYTES,
                max_queue=MAX_WAITING_FRAMES,
                compression=None,
                proxy=None,
            )
        except InvalidURI as error:
            raise ConfigurationError(f"{self._uri!r} is no WebSocket address: write wss://host:port") from error
        except ssl.SSLCertVerificationError as error:
            hint = "CERTS_DIR or IPC_CA_FILE names the CA that signed its certificate"
            raise ConnectionClosedError(LOST, f"{self._uri} is not trusted: {error.verify_message}; {hint}") from error
        except (OSError, InvalidHandshake, TimeoutError) as error:
            is_cut = isinstance(error, InvalidMessage | ConnectionResetError)
            why = out_of_reach(error, is_cut=is_cut, is_plain=self._uri.startswith("ws:"))
            if isinstance(error, InvalidStatus) and error.response.status_code in _OF_OTHERS:
                why += "; is BRIDGE_URL that of a bridge?"
            raise ConnectionClosedError(LOST, f"{self._uri} {why}") from error
        if self._tokens is not None:
            self._renewing.start(self._renew(self._tokens, self._socket), "renewal")

    async def send(self, frame: str) -> None:
        """Send a text frame."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._connected().send(frame)
        except ConnectionClosed as error:
            raise self._closed(error) from error
        except TimeoutError as error:
            raise ConnectionClosedError(LOST, f"the bridge took no data for {SEND_TIMEOUT_S:g} s") from error

    async def receive(self) -> str:
        """Wait for the next text frame; a dead bridge is noticed by the keep-alive of the WebSocket (20 s)."""
        try:
            return await self._connected().recv(decode=True)
        except ConnectionClosed as error:
            raise self._closed(error) from error

    async def close(self) -> None:
        """Close the WebSocket."""
        await self._renewing.close()
        websocket, self._socket = self._socket, None
        if websocket is not None:
            await websocket.close()

    async def aclose(self) -> None:
        """Close the WebSocket; nothing else is owned."""
        await self.close()

    async def _renew(self, tokens: TokenSource, websocket: ClientConnection) -> None:
        """Show the bridge a new token, each time that most of the old one's time is over, until cancelled."""
        attempt = 0
        while self._token is not None and self._token.renew_at:
            await asyncio.sleep(max(0.0, self._token.renew_at - time.monotonic()) or backoff_s(attempt))
            try:
                self._token = await tokens.token()
                await websocket.send(codec.encode(Auth(token=self._token.text)))
            except ConnectionClosed:
                return
            except IPCError as error:
                attempt += 1
                logger.warning("the token of this session could not be renewed: %s", error)
            else:
                attempt = 0

    def _closed(self, error: ConnectionClosed) -> ConnectionClosedError:
        if error.rcvd is None:
            return ConnectionClosedError(LOST, "the connection was lost")
        if error.rcvd.code == CloseCode.UNAUTHENTICATED and self._token is not None and self._token.is_over:
            # Such as on a machine that has slept; with a new token it may come back.
            return ConnectionClosedError(LOST, "the token expired before it was renewed")
        return ConnectionClosedError(error.rcvd.code, error.rcvd.reason)

    def _connected(self) -> ClientConnection:
        if self._socket is None:
            raise ConnectionClosedError(LOST, "not connected")
        return self._socket

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self._uri.startswith("ws:"):
            return None
        return trust_of(self._ca_file, shown=identity_of(self._certs_dir, self._service, LOCALHOST))


class _Connection(ClientConnection):
    """A connection that says why TLS ended.

    In TLS 1.3 a server looks at a client's certificate when the client already counts itself as connected (RFC 8446,
    section 4.4.4), and of that websockets says only that there was no answer.
    """

    _lost_by: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep why."""
        self._lost_by = exc
        super().connection_lost(exc)

    async def handshake(self, *args: Any, **options: Any) -> None:
        """Do the opening handshake.

        Raises:
            ssl.SSLError: the server ended TLS.

        """
        try:
            await super().handshake(*args, **options)
        except InvalidHandshake as error:
            if isinstance(self._lost_by, ssl.SSLError):
                raise self._lost_by from error
            raise
