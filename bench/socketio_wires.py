"""Socket.IO as the driver speaks it: with a plain server of it, and with the door of our bridge."""

from collections.abc import Sequence

from bench.wires import EVENT, Wire, echo_id, post_data, refusal


class SocketIOWire(Wire):
    """Engine.IO protocol 4 and Socket.IO protocol 5 (both at socket.io/docs), one packet a frame."""

    def __init__(self, service: str, *, hears: bool = True) -> None:
        super().__init__(service, hears=hears)
        self._namespace = f"/ipc/{service},".encode()

    @property
    def path(self) -> str:
        """Engine.IO's path, straight to the WebSocket transport."""
        return "/socket.io/?EIO=4&transport=websocket"

    def emit(self, target: str, sent_at: int) -> bytes:
        """Return an ``ipc:emit`` event packet."""
        return b'42%b["ipc:emit",{"event":"%b","target":"%b","payload":%b}]' % (
            self._namespace,
            EVENT.encode(),
            target.encode(),
            post_data(sent_at),
        )

    def ping(self, sent_at: int) -> bytes:
        """Return an event packet that the server sends back."""
        return b'42%b["ping:echo",{"id":"%b"}]' % (self._namespace, echo_id(sent_at))

    def pack(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return a frame for each message: Socket.IO has no frame with several."""
        return list(messages)

    def count(self, payload: bytes) -> int:
        """Count an event packet (Engine.IO message 4, Socket.IO event 2)."""
        return 1 if payload.startswith(b"42") else 0

    def reply(self, payload: bytes) -> bytes | None:
        """Open the namespace after Engine.IO's handshake, and answer Engine.IO's pings."""
        if payload.startswith(b"0"):
            return b"40" + self._namespace
        if payload.startswith(b"40"):
            self.is_ready = True
        elif payload.startswith(b"2"):
            return b"3"
        elif payload.startswith((b"41", b"44")):
            raise refusal(payload)
        return None


class DoorWire(SocketIOWire):
    """The same at the Socket.IO door of our bridge, which says more than its peer: only the events are counted.

    Emits ask for no ``ipc:ack``, since the peer sends none.
    """

    def __init__(self, service: str, *, hears: bool = True) -> None:
        super().__init__(service, hears=hears)
        self._event = b'42%b["%b"' % (self._namespace, EVENT.encode())
        self._echo = b"43%b" % self._namespace

    def emit(self, target: str, sent_at: int) -> bytes:
        """Return an ``ipc:emit`` event packet."""
        return super().emit(target, sent_at)[:-2] + b',"options":{"requireAck":false}}]'

    def ping(self, sent_at: int) -> bytes:
        """Return a request whose answer has in it what was asked: the value of an expression that is a value."""
        return b'42%b1["ipc:jsonlex",{"expression":{"id":"%b"}}]' % (self._namespace, echo_id(sent_at))

    def count(self, payload: bytes) -> int:
        """Count an event that a service has emitted, or an answer."""
        return 1 if payload.startswith((self._event, self._echo)) else 0

    def reply(self, payload: bytes) -> bytes | None:
        """Join the namespace, to hear everything or nothing; it is ready when it was welcomed."""
        if payload.startswith(b"0"):
            return b"40" + self._namespace + (b"" if self.hears else b'{"subscribe":[]}')
        if payload.startswith(b'42%b["ipc:welcome"' % self._namespace):
            self.is_ready = True
        elif not payload.startswith(b"40"):
            return super().reply(payload)
        return None
