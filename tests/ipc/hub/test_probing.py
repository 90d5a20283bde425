"""Whether other hubs are there: asked after a second, lost two seconds later, and not because this one stood still."""

import pytest

from ipc.hub.probing import MAX_ASKED, Probing

WAITING = {("h2", "there"): ["c1.1"]}


class Hand:
    """A clock, and what was asked by it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("ipc.hub.probing.time.monotonic", lambda: self.now)
        self.asked: list[tuple[str, str, list[str]]] = []
        self.probing = Probing(lambda *question: self.asked.append(question))

    def look(self, seconds: float, *, step_s: float = 0.05) -> set[str]:
        """Look as often as a hub does, and return what is lost at last."""
        lost: set[str] = set()
        for _ in range(round(seconds / step_s)):
            self.now += step_s
            lost |= self.probing.look(WAITING)
        return lost


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    return Hand(monkeypatch)


def test_one_that_says_nothing_is_lost_after_two_seconds(hand: Hand) -> None:
    assert hand.look(1.9) == set()
    assert hand.asked == [("h2", "there", ["c1.1"])] * 2
    assert hand.look(0.3) == {"h2"}


def test_one_that_says_anything_is_not(hand: Hand) -> None:
    for _ in range(5):
        assert hand.look(1.9) == set()
        hand.probing.heard("h2")


def test_a_hub_that_stood_still_itself_waits_for_the_answers_that_it_has_not_read(hand: Hand) -> None:
    hand.look(0.1)
    hand.now += 60.0
    assert hand.look(1.9) == set()
    hand.probing.heard("h2")
    assert hand.look(1.9) == set()


def test_who_could_not_be_asked_need_not_answer(hand: Hand) -> None:
    """Redis is away: that says nothing about the hub."""
    for _ in range(20):
        assert hand.look(0.5) == set()
        hand.probing.not_asked()


def test_it_is_asked_again_when_it_is_waited_for_again(hand: Hand) -> None:
    assert hand.look(3.0) == {"h2"}
    assert hand.look(0.1) == set()
    assert hand.look(3.0) == {"h2"}


def test_a_question_names_a_bounded_number_of_calls(hand: Hand) -> None:
    hand.probing.look({("h3", "there"): [f"c{number}.1" for number in range(MAX_ASKED + 5)]})
    assert len(hand.asked[0][2]) == MAX_ASKED
