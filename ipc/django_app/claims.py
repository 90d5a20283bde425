"""The relay's side of the outbox table: claim rows for a while, write down what became of them. Blocking, for a thread.

A claim is one conditional UPDATE of the oldest waiting row of each key (its head), with an end (the lease), so nothing
is locked while events are being sent. Whoever holds the head holds the key: later rows of the key are no heads, so no
other relay can claim them. A claim that has ended counts as none, which is how a crashed relay is taken over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from ipc.django_app.models import OutboxEvent

MAX_ROWS_PER_CLAIM: Final = 256
_MAX_ERROR_LENGTH: Final = 2000

Run = list[OutboxEvent]
"""The next rows of one key, in their order."""


@dataclass(slots=True)
class Outcome:
    """What became of the rows of a claim; rows that are in none of the lists were not tried."""

    sent: list[int] = field(default_factory=list)
    failed: list[tuple[int, str, float]] = field(default_factory=list)
    """Row, error, seconds until it may be tried again."""
    parked: list[tuple[int, str]] = field(default_factory=list)


def claim_runs(*, owner: str, lease_s: float, keys: int) -> list[Run]:
    """Claim up to ``keys`` keys that nobody holds, and return for each the rows to send, oldest first."""
    now = timezone.now()
    until = now + timedelta(seconds=lease_s)
    ids = list(_heads(now).order_by("id").values_list("id", flat=True)[:keys])
    if not ids:
        return []
    OutboxEvent.objects.filter(_is_claimable(now), id__in=ids).update(claimed_by=owner, claimed_until=until)
    heads = list(OutboxEvent.objects.filter(id__in=ids, claimed_by=owner, claimed_until=until))
    runs = {head.key: [head] for head in sorted(heads, key=lambda head: head.id)}
    followers = OutboxEvent.objects.filter(parked_at=None, key__in=list(runs)).exclude(id__in=ids).order_by("id")
    for row in followers[:MAX_ROWS_PER_CLAIM]:
        runs[row.key].append(row)
    return list(runs.values())


def _heads(now: datetime) -> QuerySet[OutboxEvent]:
    earlier = OutboxEvent.objects.filter(parked_at=None, key=OuterRef("key"), id__lt=OuterRef("id"))
    return OutboxEvent.objects.filter(_is_claimable(now), ~Exists(earlier))


def _is_claimable(now: datetime) -> Q:
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    is_due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    return Q(parked_at=None) & is_free & is_due


def settle(owner: str, outcome: Outcome, runs: Sequence[Run]) -> None:
    """Write an outcome down and give the claims back, all at once.

    A row that another relay has claimed in the meantime is left to that one, except that what was sent is deleted.
    """
    now = timezone.now()
    with transaction.atomic():
        OutboxEvent.objects.filter(id__in=outcome.sent).delete()
        for row_id, error in outcome.parked:
            _still_ours(owner, row_id).update(parked_at=now, **_tried(error))
        for row_id, error, delay_s in outcome.failed:
            _still_ours(owner, row_id).update(next_attempt_at=now + timedelta(seconds=delay_s), **_tried(error))
        heads = [run[0].id for run in runs]
        OutboxEvent.objects.filter(id__in=heads, claimed_by=owner).update(claimed_by="", claimed_until=None)


def release_all(owner: str) -> None:
    """Give back whatever an owner still holds, so that others need not wait for the end of its lease."""
    OutboxEvent.objects.filter(claimed_by=owner).update(claimed_by="", claimed_until=None)


def _still_ours(owner: str, row_id: int) -> QuerySet[OutboxEvent]:
    # Only the head carries the claim; the rows after it are unclaimed.
    return OutboxEvent.objects.filter(id=row_id, claimed_by__in=(owner, ""))


def _tried(error: str) -> dict[str, object]:
    return {
        "attempts": F("attempts") + 1,
        "error": error.replace("\x00", "")[:_MAX_ERROR_LENGTH],
        "claimed_by": "",
        "claimed_until": None,
    }
