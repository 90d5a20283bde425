"""Which entries of the audit trail are meant, and what one says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ipc.stores.stream_scan import Condition, Range

MAX_LOOKED: Final = 20_000
"""How many entries one page costs at most; where that is not enough, the next page goes on there."""
MAX_PAGE: Final = 500
_RENEWAL: Final = re.compile(r"exprsn-[a-z0-9-]+, by its certificate")
_RENEWAL_IN_LUA: Final = "^exprsn%-[a-z0-9%-]+, by its certificate$"
"""The whole of it, so that nobody hides among the renewals whose own name ends like one."""


def by_certificate(service: str) -> str:
    """Return who has made a token that a service got for its certificate, as the trail names them."""
    return f"{service}, by its certificate"


class AuditEntry(NamedTuple):
    """Who has done what to what; ``at_ms`` is by the clock of who wrote it, ``position`` its place in the trail."""

    action: str
    by: str
    subject: str
    details: Mapping[str, Any]
    at_ms: int
    position: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, newest first, and where the older ones begin; null where there are none.

    A page may have fewer entries than were asked for, even none, and still say where to go on: then the budget was
    spent on entries that are not meant. ``looked`` counts all that were looked at.
    """

    entries: list[AuditEntry]
    next: str | None
    looked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What has to be true of an entry; texts are what a member begins with, times are Unix milliseconds of Redis.

    Without ``has_renewals`` the tokens are left out that services get by their certificates, every few minutes each.
    """

    action: str = ""
    by: str = ""
    subject: str = ""
    since_ms: int = 0
    until_ms: int | None = None
    has_renewals: bool = True

    @property
    def conditions(self) -> list[Condition]:
        """What the search in Redis looks for; the action always, so that it finds everything where nothing is asked."""
        named = {"by": self.by, "subject": self.subject}
        rest = [Condition(field, "^", text) for field, text in named.items() if text]
        if not self.has_renewals:
            rest.append(Condition("by", "!", _RENEWAL_IN_LUA))
        return [Condition("action", "^", self.action), *rest]

    def part(self, after: str) -> Range:
        """Return the part of the trail to look at, from its newest entry on or after the end of a page before."""
        newest = "+" if self.until_ms is None else str(self.until_ms)
        return Range(first=str(self.since_ms), last=f"({after}" if after else newest, newest_first=True)

    def wants(self, entry: AuditEntry) -> bool:
        """Tell whether an entry is meant."""
        ms = int(entry.position.partition("-")[0])
        is_meant = (
            entry.action.startswith(self.action)
            and entry.by.startswith(self.by)
            and entry.subject.startswith(self.subject)
            and (self.has_renewals or _RENEWAL.fullmatch(entry.by) is None)
        )
        return is_meant and self.since_ms <= ms <= (ms if self.until_ms is None else self.until_ms)
