"""The twin of `ipc.stores.shares.Shares`, in memory."""

from ipc.stores.shares import Share


class MemoryShares:
    """The shares of one test; they do not run out."""

    def __init__(self) -> None:
        self._shares: dict[str, Share] = {}

    async def put(self, share: Share) -> bool:
        """Write the share of a hub, and tell whether the one before was still there."""
        was_there = share.hub in self._shares
        self._shares[share.hub] = share
        return was_there

    async def remove(self, hub: str) -> None:
        """Delete the share of a hub that stops."""
        self._shares.pop(hub, None)

    async def list(self) -> list[Share]:
        """Return the shares of the hubs that run."""
        return list(self._shares.values())

    def lose_everything(self) -> None:
        """Forget all, as a Redis that has lost its data."""
        self._shares.clear()
