"""Who may send which rows: claims, their end, and what is written down afterwards."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ipc.django_app.claims import Outcome, Run, claim_runs, release_all, settle
from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import outbox_add

pytestmark = pytest.mark.django_db


def add(*keys: str) -> list[int]:
    return [outbox_add(event="a:b", data=None, key=key).id for key in keys]


def claim(owner: str, keys: int = 64) -> list[Run]:
    return claim_runs(owner=owner, lease_s=30, keys=keys)


def ids(runs: list[Run]) -> list[list[int]]:
    return [[row.id for row in run] for run in runs]


def expire() -> None:
    OutboxEvent.objects.exclude(claimed_until=None).update(claimed_until=timezone.now() - timedelta(seconds=1))


def test_a_claim_is_one_run_per_key_oldest_first() -> None:
    a1, b1, a2, b2 = add("a", "b", "a", "b")
    assert ids(claim("x")) == [[a1, a2], [b1, b2]]


def test_only_heads_are_marked() -> None:
    head, after = add("a", "a")
    claim("x")
    assert OutboxEvent.objects.get(id=head).claimed_by == "x"
    assert OutboxEvent.objects.get(id=after).claimed_by == ""


def test_a_key_has_one_holder_also_for_rows_that_come_later() -> None:
    add("a")
    assert len(claim("x")) == 1
    add("a")
    assert claim("y") == []


def test_a_claim_takes_no_more_keys_than_asked_and_the_next_takes_the_rest() -> None:
    a, b, c = add("a", "b", "c")
    assert ids(claim("x", keys=2)) == [[a], [b]]
    assert ids(claim("y", keys=2)) == [[c]]


def test_a_lease_that_has_ended_is_free_for_others() -> None:
    (row,) = add("a")
    claim("x")
    expire()
    assert ids(claim("y")) == [[row]]


def test_what_was_sent_is_deleted_and_the_rest_of_its_key_is_free_again() -> None:
    first, second = add("a", "a")
    runs = claim("x")
    settle("x", Outcome(sent=[first]), runs)
    assert ids(claim("y")) == [[second]]


def test_a_failure_keeps_the_row_and_with_it_its_key_back() -> None:
    first, _second = add("a", "a")
    settle("x", Outcome(failed=[(first, "away", 60)]), claim("x"))
    row = OutboxEvent.objects.get(id=first)
    assert (row.attempts, row.error, row.claimed_by, row.claimed_until) == (1, "away", "", None)
    assert claim("y") == []
    OutboxEvent.objects.filter(id=first).update(next_attempt_at=timezone.now())
    assert len(claim("y")[0]) == 2


def test_a_parked_row_is_kept_with_its_error_and_its_key_goes_on() -> None:
    first, second = add("a", "a")
    settle("x", Outcome(parked=[(first, "refused\x00")]), claim("x"))
    row = OutboxEvent.objects.get(id=first)
    assert row.parked_at is not None
    assert (row.error, row.claimed_by) == ("refused", "")
    assert ids(claim("y")) == [[second]]


def test_a_holder_that_lost_its_lease_does_not_touch_the_new_ones_claim() -> None:
    first, second = add("a", "a")
    runs = claim("x")
    expire()
    claim("y")
    settle("x", Outcome(failed=[(first, "away", 60)]), runs)
    row = OutboxEvent.objects.get(id=first)
    assert (row.claimed_by, row.attempts, row.next_attempt_at) == ("y", 0, None)
    settle("x", Outcome(sent=[first]), runs)
    assert list(OutboxEvent.objects.values_list("id", flat=True)) == [second]


def test_rows_that_were_not_tried_are_free_at_once() -> None:
    (row,) = add("a")
    settle("x", Outcome(), claim("x"))
    assert ids(claim("y")) == [[row]]


def test_an_owner_can_give_everything_back() -> None:
    add("a", "b")
    claim("x")
    release_all("x")
    assert len(claim("y")) == 2
