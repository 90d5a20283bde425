"""What calls with an idempotency key have come to here, so that one that is made again is not carried out again."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from msgspec import Raw, UnsetType

from ipc.protocol import codec
from ipc.protocol.errors import ConflictError
from ipc.protocol.messages import ServerCall

REMEMBER_S: Final = 300.0
MAX_ANSWERS: Final = 1_000
MAX_BYTES: Final = 8 * 1024 * 1024

_Name = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a call came to; it is remembered ``until`` then, in seconds of the clock."""

    asked: bytes
    data: Raw | UnsetType
    size: int
    until: float


class KeyedCalls:
    """The answers to calls with an idempotency key that one instance has carried out.

    An answer is remembered for 5 minutes at most, as long as it is among the last. An error is not: the call is tried
    again. A read is answered anew, since nothing happens twice by it.

    Args:
        max_answers: how many are remembered.
        max_bytes: how large they may be together.
        clock: tells the time in seconds.

    """

    def __init__(
        self,
        *,
        max_answers: int = MAX_ANSWERS,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._max_answers = max_answers
        self._max_bytes = max_bytes
        self._bytes = 0
        self._answered: OrderedDict[_Name, _Answered] = OrderedDict()
        # A lock is there as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[_Name, asyncio.Lock] = WeakValueDictionary()

    async def once(self, call: ServerCall, work: Callable[[], Awaitable[Raw | UnsetType]]) -> Raw | UnsetType:
        """Return what the same call came to before, or carry it out; one that is being carried out is waited for.

        Raises:
            ConflictError: another call of the same service, resource and operation had the key.

        """
        if call.idempotency_key is None or call.op == "read":
            return await work()
        name = (call.source, call.resource, call.op, call.idempotency_key)
        asked = _fingerprint(call)
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        async with lock:
            self._forget_old()
            before = self._answered.get(name)
            if before is None:
                data = await work()
                self._keep(name, asked, data)
                return data
        if before.asked != asked:
            raise ConflictError(f"the idempotency key {call.idempotency_key!r} was given to another call")
        return before.data

    def _keep(self, name: _Name, asked: bytes, data: Raw | UnsetType) -> None:
        size = 0 if isinstance(data, UnsetType) else len(bytes(data))
        self._answered[name] = _Answered(asked, data, size, self._clock() + REMEMBER_S)
        self._bytes += size
        while len(self._answered) > self._max_answers or self._bytes > self._max_bytes:
            self._forget_first()

    def _forget_old(self) -> None:
        now = self._clock()
        while self._answered and next(iter(self._answered.values())).until <= now:
            self._forget_first()

    def _forget_first(self) -> None:
        _, first = self._answered.popitem(last=False)
        self._bytes -= first.size


def _fingerprint(call: ServerCall) -> bytes:
    """Return what tells a repeat from another call with the same key; what is said in another way counts as another."""
    parts = [codec.encode_json([call.key, call.jsonlex, call.meta]).encode()]
    parts += [b"-" if isinstance(raw, UnsetType) else bytes(raw) for raw in (call.data, call.query)]
    return hashlib.sha256(b"\n".join(parts)).digest()
