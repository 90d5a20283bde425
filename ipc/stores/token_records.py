"""What is remembered of broker tokens: that they were made, that they were revoked, and the state of stateful ones."""

from collections.abc import Sequence
from importlib import resources
from typing import Any, Final, Protocol

import msgspec
from redis.asyncio import Redis

from ipc.protocol.tokens import MAX_LIFETIME_S, Claims
from ipc.stores import keys
from ipc.stores.connection import Script, execute, run_script, translated_errors

MAX_LISTED: Final = 10_000
"""The tokens of a service that can be listed; the ones that expire first are left out beyond that."""
CHUNK: Final = 200
LONGEST_MS: Final = MAX_LIFETIME_S * 1000
_SET_STATE: Final = Script(resources.files("ipc.stores").joinpath("scripts/set_state.lua").read_text())


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was made, without its signature and its data, and who asked for it."""

    claims: Claims
    by: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a token was revoked, and whether it is on record, which is asked of stateful ones only."""

    is_revoked: bool
    is_on_record: bool


class TokenRecordStore(Protocol):
    """Where it is remembered. What each method does is written at `TokenRecords`."""

    async def put(self, record: TokenRecord, *, ttl_ms: int, now_ms: int) -> None:
        """Remember that a token was made."""

    async def get(self, token_id: str) -> TokenRecord | None:
        """Return what is known of a token."""

    async def touch(self, token_id: str, *, ttl_ms: int) -> bool:
        """Keep a record for longer."""

    async def standings(self, tokens: Sequence[Claims]) -> list[Standing]:
        """Return how tokens stand."""

    async def revoke(self, token_id: str, *, ttl_ms: int) -> None:
        """Revoke a token."""

    async def revoke_source(self, source: str, *, before_s: float) -> None:
        """Revoke all tokens of a service that were issued by a time."""

    async def page(self, source: str, *, after: str, count: int, now_ms: int) -> list[TokenRecord]:
        """Return tokens of a service that are not revoked."""

    async def is_first_use(self, name: str, *, ttl_ms: int) -> bool:
        """Tell whether a name is used for the first time."""

    async def state(self, key: str) -> bytes | None:
        """Return a state."""

    async def states(self, names: Sequence[str]) -> list[bytes | None]:
        """Return states."""

    async def set_state(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Write a state."""

    async def replace_state(self, key: str, expected: bytes | None, value: bytes, *, ttl_ms: int) -> bool:
        """Write a state if it is what somebody thinks."""

    async def delete_state(self, key: str) -> bool:
        """Delete a state."""


class TokenRecords:
    """The records in one Redis; they end by themselves."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, record: TokenRecord, *, ttl_ms: int, now_ms: int) -> None:
        """Remember for a while that a token was made; what has expired of its service's tokens is taken off the list.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        claims, listed = record.claims, keys.tokens(record.claims.source)
        await self._do(
            "remember a token",
            ("SET", keys.token(claims.id), msgspec.json.encode(record), "PX", ttl_ms),
            ("ZADD", listed, int(claims.exp * 1000), claims.id),
            ("ZREMRANGEBYSCORE", listed, "-inf", now_ms),
            ("ZREMRANGEBYRANK", listed, 0, -MAX_LISTED - 1),
            ("PEXPIRE", listed, LONGEST_MS),
        )

    async def get(self, token_id: str) -> TokenRecord | None:
        """Return what is known of a token, or None where that is nothing, or nothing any more.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        (text,) = await self._do("read a token's record", ("GET", keys.token(token_id)))
        return None if text is None else msgspec.json.decode(text, type=TokenRecord)

    async def touch(self, token_id: str, *, ttl_ms: int) -> bool:
        """Keep a record for so long from now on, and tell whether there is one.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        (found,) = await self._do("keep a token's record", ("PEXPIRE", keys.token(token_id), ttl_ms))
        return bool(found)

    async def standings(self, tokens: Sequence[Claims]) -> list[Standing]:
        """Return how tokens stand, in their order.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        if not tokens:
            return []
        before = await self._revoked_by(list(dict.fromkeys(token.source for token in tokens)))
        revoked = await self._existing([keys.revoked(token.id) for token in tokens], usual=False)
        stateful = [token.id for token in tokens if token.stateful]
        recorded = dict(
            zip(stateful, await self._existing([keys.token(name) for name in stateful], usual=True), strict=True)
        )
        return [
            Standing(
                is_revoked=is_revoked or token.iat <= before[token.source],
                is_on_record=recorded.get(token.id, True),
            )
            for token, is_revoked in zip(tokens, revoked, strict=True)
        ]

    async def _revoked_by(self, sources: Sequence[str]) -> dict[str, float]:
        """Return up to which time of issue all tokens of services are revoked, 0 where nobody said so."""
        scores = await self._do("look for revocations", *(("ZSCORE", keys.revoked(name), "before") for name in sources))
        return {name: float(score or 0) for name, score in zip(sources, scores, strict=True)}

    async def _existing(self, names: Sequence[str], *, usual: bool) -> list[bool]:
        """Return which keys exist.

        They are counted many at a time first, and asked for one by one only where some are not as usual: hubs ask every
        second for each of their sessions (measured, 1000 sessions: 1 instead of 18 ms).
        """
        if not names:
            return []
        chunks = [names[at : at + CHUNK] for at in range(0, len(names), CHUNK)]
        counts = await self._do("look for revocations", *(("EXISTS", *chunk) for chunk in chunks))
        found: list[bool] = []
        for chunk, count in zip(chunks, counts, strict=True):
            if count == (len(chunk) if usual else 0):
                found += [usual] * len(chunk)
            else:
                found += map(bool, await self._do("look for revocations", *(("EXISTS", name) for name in chunk)))
        return found

    async def revoke(self, token_id: str, *, ttl_ms: int) -> None:
        """Remember for so long that a token is revoked; its record and its place in the list go.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        record = await self.get(token_id)
        taken_off = [("ZREM", keys.tokens(record.claims.source), token_id)] if record is not None else []
        await self._do(
            "revoke a token",
            ("SET", keys.revoked(token_id), "1", "PX", ttl_ms),
            ("DEL", keys.token(token_id)),
            *taken_off,
        )

    async def revoke_source(self, source: str, *, before_s: float) -> None:
        """Revoke all tokens of a service that were issued by a time in Unix seconds; an earlier time changes nothing.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        await self._do(
            "revoke the tokens of a service",
            ("ZADD", keys.revoked(source), "GT", repr(before_s), "before"),
            ("PEXPIRE", keys.revoked(source), LONGEST_MS),
        )

    async def page(self, source: str, *, after: str, count: int, now_ms: int) -> list[TokenRecord]:
        """Return tokens of a service by when they expire, those after one, ``<exp in ms>-<id>``, or from the first on.

        What is revoked is left out, with its service, too.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        at, _, last = after.partition("-")
        place, found = (int(at or 0), last), list[TokenRecord]()
        before_s = (await self._revoked_by([source]))[source]
        while len(found) < count:
            rows = await self._listed(source, since_ms=max(now_ms, place[0]), count=max(count + 1, CHUNK))
            rows = [row for row in rows if row > place]
            if not rows:
                break
            place = rows[-1]
            texts = await self._do("list tokens", *(("GET", keys.token(token_id)) for _, token_id in rows))
            # A stateful one that nobody used may have no record any more, and all up to a time may be revoked, so a
            # page may take several looks; the list ends them, which has MAX_LISTED at most.
            records = [msgspec.json.decode(text, type=TokenRecord) for text in texts if text is not None]
            found += [record for record in records if record.claims.iat > before_s]
        return found[:count]

    async def is_first_use(self, name: str, *, ttl_ms: int) -> bool:
        """Tell whether a name is used for the first time in so long; of two who ask at once, one is told so.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        (written,) = await self._do("look for a replay", ("SET", keys.used(name), "1", "NX", "PX", ttl_ms))
        return written is not None

    async def state(self, key: str) -> bytes | None:
        """Return a state, or None where there is none.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        (value,) = await self._do("read a state", ("GET", keys.state(key)))
        return bytes(value) if value is not None else None

    async def states(self, names: Sequence[str]) -> list[bytes | None]:
        """Return states, None where there is none.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return await self._do("read states", *(("GET", keys.state(name)) for name in names)) if names else []

    async def set_state(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Write a state, for so long.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        await self._do("write a state", ("SET", keys.state(key), value, "PX", ttl_ms))

    async def replace_state(self, key: str, expected: bytes | None, value: bytes, *, ttl_ms: int) -> bool:
        """Write a state if it is as expected, None for not there, and tell whether it was.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        arguments = (ttl_ms, value) if expected is None else (ttl_ms, value, expected)
        async with translated_errors("replace a state"):
            return bool(await run_script(self._redis, _SET_STATE, [keys.state(key)], arguments))

    async def delete_state(self, key: str) -> bool:
        """Delete a state, and tell whether there was one.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        (count,) = await self._do("delete a state", ("DEL", keys.state(key)))
        return bool(count)

    async def _listed(self, source: str, *, since_ms: int, count: int) -> list[tuple[int, str]]:
        (rows,) = await self._do(
            "list tokens",
            ("ZRANGEBYSCORE", keys.tokens(source), since_ms, "+inf", "WITHSCORES", "LIMIT", 0, count),
        )
        return [(int(float(score)), name.decode()) for name, score in rows]

    async def _do(self, what: str, *commands: Sequence[str | bytes | int]) -> list[Any]:
        async with translated_errors(what):
            replies = await execute(self._redis, *commands)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies
