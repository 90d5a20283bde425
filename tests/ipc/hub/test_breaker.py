"""A breaker: when it opens, whom it lets through to try, and what closes it."""

from ipc.hub.breaker import Breaker, BreakerState


def opened(failures: int = 3, pause_s: float = 5.0) -> Breaker:
    """Return a breaker that has opened at the time 100."""
    breaker = Breaker(failures, pause_s)
    for _ in range(failures):
        breaker.let_through()
        breaker.failed(100.0)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3, 5.0)
    for _ in range(2):
        breaker.failed(100.0)
    assert (breaker.state, breaker.opens_in_s(100.0)) == (BreakerState.CLOSED, 0.0)
    breaker.failed(100.0)
    assert (breaker.state, breaker.opens_in_s(100.0), breaker.opens_in_s(102.0)) == (BreakerState.OPEN, 5.0, 3.0)


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(3, 5.0)
    for _ in range(5):
        breaker.failed(100.0)
        breaker.failed(100.0)
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_after_its_pause_it_lets_one_through_and_no_other_before_the_answer() -> None:
    breaker = opened()
    assert breaker.opens_in_s(105.0) == 0.0
    breaker.let_through()
    assert (breaker.state, breaker.opens_in_s(105.0)) == (BreakerState.HALF_OPEN, 5.0)


def test_the_answer_of_the_one_closes_it_or_opens_it_for_another_pause() -> None:
    breaker = opened()
    breaker.let_through()
    breaker.failed(105.0)
    assert (breaker.state, breaker.opens_in_s(105.0)) == (BreakerState.OPEN, 5.0)
    breaker.let_through()
    breaker.succeeded()
    assert (breaker.state, breaker.opens_in_s(110.0)) == (BreakerState.CLOSED, 0.0)


def test_a_try_that_tells_nothing_leaves_room_for_the_next_at_once() -> None:
    """It was cancelled, or never taken: a breaker that waited for its answer would stay closed to all for ever."""
    breaker = opened()
    breaker.let_through()
    breaker.abandoned()
    assert (breaker.state, breaker.opens_in_s(105.0)) == (BreakerState.OPEN, 0.0)
