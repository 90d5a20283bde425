"""The twin of `ipc.stores.token_records.TokenRecords`, in memory."""

from collections.abc import Callable, Sequence

from ipc.protocol.tokens import MAX_LIFETIME_S, Claims
from ipc.stores.token_records import Standing, TokenRecord


class MemoryTokenRecords:
    """The records of one test; they end by its clock.

    Args:
        now_ms: the date in Unix milliseconds.

    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._records: dict[str, tuple[TokenRecord, int]] = {}
        self._revoked: dict[str, int] = {}
        self._before: dict[str, tuple[float, int]] = {}
        self._used: dict[str, int] = {}
        self._states: dict[str, tuple[bytes, int]] = {}

    async def put(self, record: TokenRecord, *, ttl_ms: int, now_ms: int) -> None:  # noqa: ARG002 - the store's signature
        """Remember that a token was made."""
        self._records[record.claims.id] = (record, self._now_ms() + ttl_ms)

    async def get(self, token_id: str) -> TokenRecord | None:
        """Return what is known of a token."""
        record, until_ms = self._records.get(token_id, (None, 0))
        return record if until_ms > self._now_ms() else None

    async def touch(self, token_id: str, *, ttl_ms: int) -> bool:
        """Keep a record for longer."""
        record = await self.get(token_id)
        if record is None:
            return False
        self._records[token_id] = (record, self._now_ms() + ttl_ms)
        return True

    async def standings(self, tokens: Sequence[Claims]) -> list[Standing]:
        """Return how tokens stand."""
        return [
            Standing(
                is_revoked=self._revoked.get(token.id, 0) > self._now_ms()
                or token.iat <= self._revoked_by(token.source),
                is_on_record=not token.stateful or await self.get(token.id) is not None,
            )
            for token in tokens
        ]

    async def revoke(self, token_id: str, *, ttl_ms: int) -> None:
        """Revoke a token."""
        self._revoked[token_id] = self._now_ms() + ttl_ms
        self._records.pop(token_id, None)

    async def revoke_source(self, source: str, *, before_s: float) -> None:
        """Revoke all tokens of a service that were issued by a time."""
        until_ms = self._now_ms() + MAX_LIFETIME_S * 1000
        self._before[source] = (max(before_s, self._revoked_by(source)), until_ms)

    async def page(self, source: str, *, after: str, count: int, now_ms: int) -> list[TokenRecord]:
        """Return tokens of a service that are not revoked."""
        at, _, last = after.partition("-")
        before_s = self._revoked_by(source)
        found = sorted(
            (int(record.claims.exp * 1000), record.claims.id, record)
            for record, until_ms in self._records.values()
            if record.claims.source == source
            and until_ms > now_ms
            and record.claims.exp * 1000 >= now_ms
            and record.claims.iat > before_s
        )
        return [record for exp_ms, name, record in found if (exp_ms, name) > (int(at or 0), last)][:count]

    async def is_first_use(self, name: str, *, ttl_ms: int) -> bool:
        """Tell whether a name is used for the first time."""
        is_first = self._used.get(name, 0) <= self._now_ms()
        if is_first:
            self._used[name] = self._now_ms() + ttl_ms
        return is_first

    async def state(self, key: str) -> bytes | None:
        """Return a state."""
        value, until_ms = self._states.get(key, (None, 0))
        return value if until_ms > self._now_ms() else None

    async def states(self, names: Sequence[str]) -> list[bytes | None]:
        """Return states."""
        return [await self.state(name) for name in names]

    async def set_state(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Write a state."""
        self._states[key] = (value, self._now_ms() + ttl_ms)

    async def replace_state(self, key: str, expected: bytes | None, value: bytes, *, ttl_ms: int) -> bool:
        """Write a state if it is what somebody thinks."""
        if await self.state(key) != expected:
            return False
        await self.set_state(key, value, ttl_ms=ttl_ms)
        return True

    async def delete_state(self, key: str) -> bool:
        """Delete a state."""
        was_there = await self.state(key) is not None
        self._states.pop(key, None)
        return was_there

    def _revoked_by(self, source: str) -> float:
        before_s, until_ms = self._before.get(source, (0.0, 0))
        return before_s if until_ms > self._now_ms() else 0.0
