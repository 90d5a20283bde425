"""Listing the tokens that hold, page by page, over all services."""

from typing import Final

import msgspec

from ipc.protocol.errors import BadMessageError
from ipc.protocol.ids import ulid_ms
from ipc.protocol.moments import written_ms
from ipc.protocol.services import SERVICES, full_name
from ipc.stores.token_records import TokenRecord, TokenRecordStore

MAX_PAGE: Final = 1_000


class TokenPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some tokens, by service and by when they expire, and where the following ones begin, if there are any."""

    tokens: list[TokenRecord]
    next: str | None


async def page_of_tokens(
    records: TokenRecordStore, source: str | None, *, after: str, count: int, now_s: float
) -> TokenPage:
    """Return tokens that hold, of a service or of all, and where to go on.

    Args:
        records: what is remembered of tokens.
        source: a service by either name, None for all.
        after: the ``next`` of the page before, empty for the first one.
        count: how many at most, up to 1000.
        now_s: the date in Unix seconds.

    Raises:
        UnknownServiceError: there is no such service.
        BadMessageError: this is no place to go on from.
        UnavailableError: Redis is out of reach.

    """
    only = full_name(source) if source is not None else None
    begin, place = _place(after, only)
    wanted = min(count, MAX_PAGE)
    found: list[TokenRecord] = []
    for name in SERVICES[SERVICES.index(begin) :] if only is None else (only,):
        place = place if name == begin else ""
        found += await records.page(name, after=place, count=wanted + 1 - len(found), now_ms=int(now_s * 1000))
        if len(found) > wanted:
            last = found[wanted - 1].claims
            return TokenPage(tokens=found[:wanted], next=f"{last.source}/{int(last.exp * 1000)}-{last.id}")
    return TokenPage(tokens=found, next=None)


def _place(after: str, only: str | None) -> tuple[str, str]:
    if not after:
        return only or SERVICES[0], ""
    service, _, place = after.partition("/")
    exp_ms, _, token_id = place.partition("-")
    is_place = written_ms(exp_ms) is not None and ulid_ms(token_id) is not None
    if not is_place or service not in SERVICES or only not in {None, service}:
        raise BadMessageError(f"{after[:80]!r} is no place to go on from: repeat the next of the page before")
    return service, place
