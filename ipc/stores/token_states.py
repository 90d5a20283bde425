"""What the bearer of a stateful token keeps with it."""

from typing import Final

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, ConflictError
from ipc.protocol.tokens import Claims
from ipc.stores.token_records import TokenRecordStore

MAX_STATE_BYTES: Final = 256 * 1024


class TokenStates:
    """The states of the stateful tokens of a mesh.

    Args:
        records: where they are.
        ttl_ms: how long one holds after it was written, in milliseconds: as long as a token that nobody uses.

    """

    def __init__(self, records: TokenRecordStore, *, ttl_ms: int) -> None:
        self._records = records
        self._ttl_ms = ttl_ms

    async def get(self, claims: Claims) -> bytes | None:
        """Return the state of a token as JSON, or None where it has none.

        Raises:
            BadMessageError: the token is not stateful.
            UnavailableError: Redis is out of reach.

        """
        return await self._records.state(_key(claims))

    async def set(self, claims: Claims, value: bytes) -> None:
        """Write the state of a token, JSON of at most 256 KiB.

        Raises:
            BadMessageError: the token is not stateful, or DATA_TOO_LARGE.
            UnavailableError: Redis is out of reach.

        """
        await self._records.set_state(_key(claims), _bounded(value), ttl_ms=self._ttl_ms)

    async def replace(self, claims: Claims, expected: bytes | None, value: bytes) -> None:
        """Write the state of a token if it is, byte for byte, what is expected; None expects that there is none.

        Raises:
            ConflictError: it is something else.
            BadMessageError: the token is not stateful, or DATA_TOO_LARGE.
            UnavailableError: Redis is out of reach.

        """
        key, new = _key(claims), _bounded(value)
        if not await self._records.replace_state(key, expected, new, ttl_ms=self._ttl_ms):
            raise ConflictError("the state is not what is expected: read it again")

    async def delete(self, claims: Claims) -> bool:
        """Delete the state of a token, and tell whether it had one.

        Raises:
            BadMessageError: the token is not stateful.
            UnavailableError: Redis is out of reach.

        """
        return await self._records.delete_state(_key(claims))


def _key(claims: Claims) -> str:
    if not claims.stateful or claims.state_key is None:
        raise BadMessageError("the token is not stateful, so it has no state")
    return claims.state_key


def _bounded(value: bytes) -> bytes:
    if len(value) > MAX_STATE_BYTES:
        raise BadMessageError(
            f"a state has at most {MAX_STATE_BYTES} bytes, this one has {len(value)}",
            code=ErrorCode.DATA_TOO_LARGE,
            details={"limit": MAX_STATE_BYTES},
        )
    return value
