"""`BrokerTokenManager`: making, verifying, renewing and revoking broker tokens."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, TokenError
from ipc.protocol.ids import new_ulid, ulid_ms
from ipc.protocol.services import full_name
from ipc.protocol.signed_tokens import LEEWAY_S
from ipc.protocol.tokens import (
    ANY_TARGET,
    DEVELOPMENT,
    MAX_LIFETIME_S,
    Claims,
    TokenKeys,
    check_claims,
    check_form,
    target_name,
)
from ipc.stores.audit import AuditTrail
from ipc.stores.audit_filter import by_certificate
from ipc.stores.token_pages import TokenPage, page_of_tokens
from ipc.stores.token_records import TokenRecord, TokenRecordStore
from ipc.stores.token_states import TokenStates

TTL_S: Final = 300
STATEFUL_TTL_S: Final = 7 * 86_400


class Minted(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A token that was just made; whoever has its text is its bearer."""

    token: str
    claims: Claims

    def __repr__(self) -> str:
        """Return what may be logged."""
        return f"Minted({self.claims.id})"


class BrokerTokenManager:
    """The broker tokens of a mesh.

    A token holds for as long as it says. One that is stateful holds for 31 days at most, and only while it is used: one
    that nobody has used for `stateful_ttl_s` has expired, and so has one that Redis knows nothing of any more.

    Args:
        records: what is remembered of tokens.
        keys: that sign and verify.
        audit: where it is written who got what.
        ttl_s: how long a token holds that is not stateful.
        stateful_ttl_s: how long a stateful one holds after its last use.
        is_development: whether this is a development machine; its tokens count on others, and no others' on production.
        now_s: the date in Unix seconds.

    """

    def __init__(
        self,
        records: TokenRecordStore,
        keys: TokenKeys,
        audit: AuditTrail,
        *,
        ttl_s: int = TTL_S,
        stateful_ttl_s: int = STATEFUL_TTL_S,
        is_development: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._keys = keys
        self.audit = audit
        self._ttl_s = ttl_s
        self._stateful_ttl_ms = stateful_ttl_s * 1000
        self.states = TokenStates(records, ttl_ms=self._stateful_ttl_ms)
        self._is_development = is_development
        self._now_s = now_s

    # Tokens

    async def mint(
        self,
        source: str,
        *,
        permissions: Sequence[str],
        by: str,
        target: str = ANY_TARGET,
        operation: str = "ipc",
        ttl_s: int | None = None,
        stateful: bool = False,
        state_key: str | None = None,
        rate_limit_exempt: bool = False,
        auth_bypass: bool = False,
        data: Any = None,
        metadata: Any = None,
    ) -> Minted:
        """Make a token for a service, given by either name.

        Args:
            by: who asked for it, for the audit trail.
            ttl_s: seconds that it holds; a stateful one has no need of it.
            state_key: of the state that a stateful token has, if it is not to be a new one.

        Raises:
            UnknownServiceError: there is no such source or target.
            TokenError: TOKEN_INVALID, what it would say makes no sense, such as a permission that is none.
            UnavailableError: Redis is out of reach.

        """
        token_id, issued_s = new_ulid(), round(self._now_s(), 3)
        lifetime_s = MAX_LIFETIME_S if stateful else self._ttl_s if ttl_s is None else ttl_s
        claims = Claims(
            id=token_id,
            source=full_name(source),
            target=target_name(target),
            operation=operation,
            iat=issued_s,
            exp=issued_s + lifetime_s,
            stateful=stateful,
            state_key=(state_key or token_id) if stateful else None,
            rate_limit_exempt=rate_limit_exempt,
            auth_bypass=auth_bypass,
            data=data,
            metadata=metadata,
            permissions=tuple(dict.fromkeys(permissions)),
            env=DEVELOPMENT if self._is_development else "",
        )
        check_form(claims)
        token = self._keys.sign(claims)
        # As its reader does, so that nobody is given one that is too large.
        self._keys.verify(token)
        await self._remember(claims, by)
        return Minted(token=token, claims=claims)

    async def verify(
        self, token: str, *, source: str | None = None, accepted_targets: Sequence[str] = (), by: str = "unknown"
    ) -> Claims:
        """Return what a token says, if it proves that here and now; that counts as a use of a stateful one.

        Args:
            source: the full name of the service that its bearer wants to be, where that is known.
            accepted_targets: the full names of who it may be meant for; empty takes every target.
            by: where the bearer came from, for the audit trail.

        Raises:
            TokenError: with the code of what is wrong.
            UnavailableError: Redis is out of reach, so nobody can tell whether it was revoked.

        """
        claims = self._keys.verify(token)
        try:
            check_claims(
                claims,
                now_s=self._now_s(),
                accepted_targets=accepted_targets,
                source=source,
                takes_development=self._is_development,
            )
            (problem,) = await self.problems([claims])
            if problem is not None:
                raise problem
        except TokenError as error:
            await self._write_refusal(claims, error, by)
            raise
        await self.used([claims])
        return claims

    async def problems(self, tokens: Sequence[Claims]) -> list[TokenError | None]:
        """Return for each of some tokens, verified before, why it proves nothing any more, or None.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        now_s = self._now_s()
        standings = await self._records.standings(tokens)
        found: list[TokenError | None] = []
        for claims, standing in zip(tokens, standings, strict=True):
            if standing.is_revoked:
                found.append(TokenError("the token was revoked", code=ErrorCode.TOKEN_REVOKED))
            elif claims.remaining_s(now_s) <= 0 or (claims.stateful and not standing.is_on_record):
                found.append(TokenError("the token has expired", code=ErrorCode.TOKEN_EXPIRED))
            else:
                found.append(None)
        return found

    async def used(self, tokens: Iterable[Claims]) -> None:
        """Take note that tokens are in use, so that stateful ones go on.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        for claims in tokens:
            if claims.stateful:
                await self._records.touch(claims.id, ttl_ms=self._stateful_ttl_ms)

    async def renew(self, token: str, *, by: str, ttl_s: int | None = None) -> Minted:
        """Return a new token that says the same; the old one holds as long as it would have, and shares the state.

        Raises:
            TokenError: the old one proves nothing.
            UnavailableError: Redis is out of reach.

        """
        old = await self.verify(token, by=by)
        return await self.mint(
            old.source,
            permissions=old.permissions,
            by=by,
            target=old.target,
            operation=old.operation,
            ttl_s=ttl_s,
            stateful=old.stateful,
            state_key=old.state_key,
            rate_limit_exempt=old.rate_limit_exempt,
            auth_bypass=old.auth_bypass,
            data=old.data,
            metadata=old.metadata,
        )

    async def revoke(self, token_id: str, *, by: str) -> bool:
        """Revoke a token by its id, and tell whether anything is known of it; that is remembered while it could hold.

        Raises:
            BadMessageError: this is no id of a token.
            UnavailableError: Redis is out of reach.

        """
        if ulid_ms(token_id) is None:
            raise BadMessageError(f"{token_id[:64]!r} is no id of a token: it has 26 letters and digits")
        record = await self._records.get(token_id)
        left_s = MAX_LIFETIME_S if record is None else max(0.0, record.claims.remaining_s(self._now_s()))
        await self._records.revoke(token_id, ttl_ms=int((left_s + LEEWAY_S) * 1000))
        await self.audit.write("token.revoke", by=by, subject=token_id)
        return record is not None

    async def revoke_source(self, source: str, *, by: str, before_s: float | None = None) -> float:
        """Revoke all tokens of a service that were issued by a time, until now without one, and return that time.

        Raises:
            UnknownServiceError: there is no such service.
            BadMessageError: the time is still to come, and would end tokens that are made until then.
            UnavailableError: Redis is out of reach.

        """
        name, now_s = full_name(source), self._now_s()
        until_s = round(now_s if before_s is None else before_s, 3)
        if until_s > now_s + LEEWAY_S:
            raise BadMessageError(f"tokens of {name} are revoked by when they were issued, and that is still to come")
        await self._records.revoke_source(name, before_s=until_s)
        await self.audit.write("token.revoke", by=by, subject=name, details={"issuedBy": until_s})
        return until_s

    async def find(self, source: str | None = None, *, after: str = "", count: int = 100) -> TokenPage:
        """Return tokens that hold, as `page_of_tokens` does."""
        return await page_of_tokens(self._records, source, after=after, count=count, now_s=self._now_s())

    async def is_first_use(self, name: str, *, ttl_s: float) -> bool:
        """Tell whether something that is good for once, such as an assertion, is used for the first time.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return await self._records.is_first_use(name, ttl_ms=int(ttl_s * 1000))

    async def _write_refusal(self, claims: Claims, error: TokenError, by: str) -> None:
        """Write down that a token was refused that was signed here once."""
        details = {"code": error.code, "source": claims.source}
        await self.audit.write_once_a_minute(
            "token.refused", by=by, subject=claims.id, details=details, apart=error.code, cause=claims.source
        )

    async def _remember(self, claims: Claims, by: str) -> None:
        record = TokenRecord(claims=msgspec.structs.replace(claims, data=None, metadata=None), by=by)
        ttl_ms = self._stateful_ttl_ms if claims.stateful else int((claims.exp - claims.iat) * 1000)
        await self._records.put(record, ttl_ms=ttl_ms, now_ms=int(self._now_s() * 1000))
        details = {
            "source": claims.source,
            "target": claims.target,
            "permissions": claims.permissions,
            "exp": claims.exp,
            "stateful": claims.stateful,
            "rateLimitExempt": claims.rate_limit_exempt,
        }
        cause = claims.source if by == by_certificate(claims.source) else ""
        await self.audit.write("token.mint", by=by, subject=claims.id, details=details, cause=cause)
