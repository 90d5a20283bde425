"""What waits to be written to one Engine.IO connection.

It is bounded by whoever adds something: a session waits until its last frame is written before it has another, and
who waits for nothing looks at how much of the kind is there already.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Bundle:
    """Messages that go out one after the other; ``written`` is done when they have been, or never will be."""

    texts: list[str]
    written: "asyncio.Future[None] | None" = field(default=None)

    def done(self) -> None:
        """Say that they have been written."""
        if self.written is not None and not self.written.done():
            self.written.set_result(None)


class Outgoing:
    """Bundles in their order, of which one task takes them."""

    def __init__(self) -> None:
        self._bundles: deque[Bundle] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.unawaited = 0
        """How many characters wait that nobody waits for."""
        self.is_closed = False

    def __bool__(self) -> bool:
        return bool(self._bundles)

    def put(self, texts: list[str]) -> None:
        """Add messages that nobody waits for; `unawaited` says whether there are too many."""
        self._add(Bundle(texts))

    async def carry(self, texts: list[str]) -> None:
        """Add messages and wait until they have been written, or the connection is gone."""
        bundle = Bundle(texts, asyncio.get_running_loop().create_future())
        self._add(bundle)
        if bundle.written is not None:
            await bundle.written

    async def arrival(self) -> None:
        """Wait until there is something to write, or never will be."""
        while not (self._bundles or self.is_closed):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def take(self) -> Bundle:
        """Take the first bundle."""
        bundle = self._bundles.popleft()
        if bundle.written is None:
            self.unawaited -= sum(map(len, bundle.texts))
        return bundle

    def close(self) -> None:
        """Forget what waits, and let nobody wait for it."""
        self.is_closed = True
        while self._bundles:
            self.take().done()
        self._wake()

    def _add(self, bundle: Bundle) -> None:
        if self.is_closed:
            bundle.done()
            return
        self._bundles.append(bundle)
        if bundle.written is None:
            self.unawaited += sum(map(len, bundle.texts))
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
