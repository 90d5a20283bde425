"""What a session wants of a log."""

import pytest

from ipc.hub import interest as interest_module
from ipc.hub.interest import Interest


def test_it_wants_what_one_of_its_patterns_matches() -> None:
    interest = Interest()
    assert not interest
    assert not interest.wants("post:created")
    interest.add(["post:*", "user:updated"])
    assert interest
    assert [interest.wants(name) for name in ("post:created", "user:updated", "user:deleted")] == [True, True, False]
    assert interest.patterns == ["post:*", "user:updated"]


def test_answers_change_with_the_patterns() -> None:
    """Also for names whose answer was remembered."""
    interest = Interest()
    interest.add(["post:created"])
    assert [interest.wants("post:created"), interest.wants("user:updated")] == [True, False]
    interest.add(["user:*"])
    assert interest.wants("user:updated")
    interest.remove(["post:created", "never:added"])
    assert [interest.wants("post:created"), interest.wants("user:updated")] == [False, True]
    interest.remove(["user:*"])
    assert not interest


def test_a_pattern_that_was_added_twice_is_taken_back_once() -> None:
    interest = Interest()
    interest.add(["post:*"])
    interest.add(["post:*"])
    interest.remove(["post:*"])
    assert not interest


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are the emitters' to choose, so there may be any number of them."""
    monkeypatch.setattr(interest_module, "_MAX_REMEMBERED", 3)
    interest = Interest()
    interest.add(["post:*"])
    for number in range(10):
        assert interest.wants(f"post:n{number}")
        assert not interest.wants(f"user:n{number}")
        assert len(interest._choices) <= 3
