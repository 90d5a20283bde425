"""What became of an event, decided from plain values: each state, and that nothing is guessed."""

from typing import Any

import pytest

from ipc.protocol.delivery_status import Definition, GroupFacts, Held, Letter, Note, Receipt, group_status

AT = "1000000-0"
BEFORE, AFTER = "999999-0", "1000001-0"
POSTS = Definition(1_000_500, ("post:*",), 6)
USERS = Definition(1_000_400, ("user:*",), 3)
HELD = Held("hub-1", 400, 2)
NOTE = Note(hub="hub-1", attempt=2, max_attempts=6, instance="exprsn-herald:01", since_ms=1_000_100, error="no")


def facts(**known: Any) -> GroupFacts:
    about: dict[str, Any] = {
        "service": "exprsn-herald",
        "group": "notify",
        "log": "broadcast",
        "position": AT,
        "in_log": True,
        "last_delivered": AFTER,
        "hubs": frozenset({"hub-1"}),
        "now_ms": 1_001_000,
        "definitions": (POSTS,),
    }
    return GroupFacts(**{**about, **known})


def said(event: str | None = "post:created", **known: Any) -> dict[str, Any]:
    """Return what a status says beyond what every status says."""
    status = group_status(facts(**known), event)
    always = {"service", "group", "log", "position", "hubs", "offline"}
    named = {name: getattr(status, name) for name in status.__struct_fields__ if name not in always}
    return {name: value for name, value in named.items() if value not in {None, False}}


def test_what_is_not_read_is_queued() -> None:
    assert said(last_delivered=BEFORE, ahead=3) == {"state": "queued", "ahead": 3, "wanted": True}


def test_what_is_first_in_line_has_nothing_before_it() -> None:
    status = group_status(facts(last_delivered=BEFORE, ahead=0, hubs=frozenset()), "user:created")
    assert (status.state, status.ahead, status.wanted, status.offline) == ("queued", 0, False, True)


def test_the_last_definition_counts_for_what_waits_while_nobody_is_there() -> None:
    status = group_status(facts(last_delivered=BEFORE, definitions=(Definition(1, ("post:*",), 6),)), "post:created")
    assert status.wanted is True


def test_what_was_trimmed_unread_is_lost() -> None:
    assert said(last_delivered=BEFORE, in_log=False)["state"] == "lost"


def test_what_is_pending_is_delivered_to_the_hub_that_has_it() -> None:
    assert said(held=HELD) == {
        "state": "delivered", "attempt": 2, "max_attempts": 6, "hub": "hub-1", "since_ms": 1_000_600,
    }  # fmt: skip


def test_a_note_says_which_member_has_it() -> None:
    assert said(held=HELD, note=NOTE) == {
        "state": "delivered", "attempt": 2, "max_attempts": 6, "hub": "hub-1", "since_ms": 1_000_100,
        "instance": "exprsn-herald:01", "error": "no",
    }  # fmt: skip


def test_a_note_of_a_failure_says_when_it_comes_again() -> None:
    note = Note(hub="hub-1", attempt=2, max_attempts=4, instance="i", since_ms=1, next_ms=1_005_000, error="no")
    found = said(held=HELD, note=note)
    assert (found["state"], found["attempt"], found["max_attempts"]) == ("retrying", 2, 4)
    assert (found["next_ms"], found["error"], found["instance"]) == (1_005_000, "no", "i")


@pytest.mark.parametrize("held", [Held("hub-2", 400, 2), Held("hub-1", 400, 3)])
def test_a_note_of_another_hub_or_attempt_says_nothing(held: Held) -> None:
    assert not {"instance", "error", "next_ms"} & said(held=held, note=NOTE).keys()


def test_what_a_dead_hub_has_is_about_to_be_taken_over() -> None:
    assert "another one takes it over" in said(held=HELD, hubs=frozenset({"hub-2"}))["reason"]


def test_what_is_pending_is_not_yet_what_else_is_on_record() -> None:
    """Between the record, or the dead letter, and the acknowledgement it is pending still."""
    letter = Letter(id="1-0", error="no", attempts=2, last_ms=1, instance="i")
    assert said(held=HELD, receipt=Receipt(at_ms=1), letter=letter)["state"] == "delivered"


def test_what_is_on_record_was_acknowledged_after_a_time_of_one_clock() -> None:
    receipt = Receipt(at_ms=1_000_012, instance="exprsn-herald:01", attempt=1)
    assert said(receipt=receipt) == {
        "state": "acked", "acked_ms": 1_000_012, "acked_in_ms": 12, "instance": "exprsn-herald:01", "attempt": 1,
    }  # fmt: skip


def test_a_clock_that_went_back_makes_no_negative_time() -> None:
    assert group_status(facts(receipt=Receipt(at_ms=999_000, instance="i")), None).acked_in_ms == 0


def test_what_once_has_spared_was_acknowledged_by_nobody() -> None:
    found = said(receipt=Receipt(at_ms=1_000_012, attempt=1))
    assert found["state"] == "acked"
    assert "instance" not in found
    assert "handled this one already" in found["reason"]


def test_what_was_lost_with_its_hub_is_on_record() -> None:
    assert said(receipt=Receipt(at_ms=1_000_012, is_lost=True))["state"] == "lost"


def test_what_was_given_up_says_why_and_where_it_lies() -> None:
    letter = Letter(id="exprsn-herald/notify/7-0", error="no", attempts=6, last_ms=1_000_900, instance="i")
    assert said(letter=letter) == {
        "state": "dead", "dead_letter": "exprsn-herald/notify/7-0", "error": "no", "attempt": 6,
        "since_ms": 1_000_900, "instance": "i",
    }  # fmt: skip


def test_what_was_discarded_says_who_did_it() -> None:
    letter = Letter(
        id="7-0", error="no", attempts=6, last_ms=1, instance="i", discarded_by="ann", discard_reason="spam"
    )
    found = said(letter=letter)
    assert (found["state"], found["discarded_by"], found["reason"]) == ("dead", "ann", "discarded: spam")


def test_what_no_pattern_matched_was_not_wanted() -> None:
    assert said("user:created")["state"] == "not_wanted"


def test_what_came_before_the_group_was_not_wanted() -> None:
    for began in (AT, AFTER):
        assert said(began=began, definitions=())["state"] == "not_wanted"
    assert said(began=BEFORE, definitions=())["state"] == "unknown"


def test_definitions_that_differ_say_nothing() -> None:
    """While a new version is rolled out."""
    assert said("user:created", definitions=(POSTS, USERS))["state"] == "unknown"


def test_a_definition_that_was_given_up_before_the_event_does_not_count() -> None:
    old = Definition(1_000_000 - 60_000, ("user:*",), 3)
    assert said("user:created", definitions=(POSTS, old))["state"] == "not_wanted"
    assert said("user:created", definitions=(old,))["state"] == "unknown"


@pytest.mark.parametrize("is_recorded", [True, False])
def test_what_left_no_trace_is_unknown(is_recorded: bool) -> None:
    found = said(is_recorded=is_recorded)
    assert found.keys() == {"state", "reason"}
    assert found["state"] == "unknown"


def test_what_was_trimmed_and_is_on_no_record_is_lost_only_if_the_record_is_whole() -> None:
    assert said(in_log=False, is_recorded=True, began=BEFORE)["state"] == "lost"
    assert said(in_log=False, is_recorded=False, began=BEFORE)["state"] == "unknown"
    assert said(in_log=False, is_recorded=True)["state"] == "unknown"


def test_an_event_without_a_name_may_have_been_wanted() -> None:
    assert said(None)["state"] == "unknown"


def test_a_group_wants_all_that_is_in_its_own_log() -> None:
    own = "exprsn-herald/notify"
    assert said("user:created", log=own, is_recorded=True)["state"] == "unknown"
    assert said("user:created", log=own, last_delivered=BEFORE)["wanted"] is True
