"""What a live subscription remembers: no event twice, none left out, whatever comes between."""

from typing import Any

from msgspec import Raw

from ipc.protocol.messages import Event, Ok
from ipc.transports.live import LiveSubscription

LOG = "broadcast"


def event(number: int, log: str = LOG) -> Event:
    return Event(
        id=f"e-{number}",
        event="post:created",
        source="exprsn-timeline",
        target="broadcast",
        data=Raw(b"{}"),
        ts=number,
        log=log,
        position=f"{number}-0",
    )


class Taker:
    """Takes events until it is full."""

    def __init__(self) -> None:
        self.is_full = False
        self.taken: list[str] = []

    def __call__(self, event: Event) -> bool:
        if not self.is_full:
            self.taken.append(event.position)
        return not self.is_full


def subscribed(**ok: Any) -> LiveSubscription:
    live = LiveSubscription(["post:*"])
    live.connected()
    subscribe = live.subscription()
    assert subscribe is not None
    assert live.answered(Ok(id=subscribe.id, **ok)) == {}
    return live


def since(live: LiveSubscription) -> object:
    subscribe = live.subscription()
    assert subscribe is not None
    return subscribe.since


def test_it_asks_once_for_each_connection() -> None:
    live = LiveSubscription(["post:*"])
    first = live.subscription()
    assert first is not None
    assert (first.events, first.since, live.subscription()) == (["post:*"], None, None)
    live.disconnected()
    live.connected()
    second = live.subscription()
    assert second is not None
    assert second.id != first.id


def test_without_patterns_there_is_nothing_to_ask_for_or_to_take_back() -> None:
    live = LiveSubscription([])
    assert (live.subscription(), live.pause()) == (None, None)
    live.resume()
    assert live.subscription() is None


def test_it_begins_where_the_hub_says_and_goes_on_from_what_was_taken() -> None:
    live, taker = subscribed(positions={LOG: "7-0", "exprsn-herald": "0-0"}), Taker()
    for number in (7, 8, 8, 6):
        live.take(event(number), taker)
    assert taker.taken == ["8-0"]
    live.disconnected()
    assert since(live) == {LOG: "8-0", "exprsn-herald": "0-0"}


def test_positions_are_compared_as_numbers() -> None:
    live, taker = subscribed(positions={LOG: "9-0"}), Taker()
    live.take(event(10), taker)
    assert (taker.taken, live.positions) == (["10-0"], {LOG: "10-0"})


def test_an_event_that_is_refused_stops_what_follows_and_moves_nothing() -> None:
    live, taker = subscribed(positions={LOG: "0-0"}), Taker()
    live.take(event(1), taker)
    taker.is_full = True
    live.take(event(2), taker)
    taker.is_full = False
    live.take(event(3), taker)
    live.heartbeat({LOG: "3-0"})
    assert (taker.taken, live.positions) == (["1-0"], {LOG: "1-0"})
    assert live.pause() is not None
    live.resume()
    assert since(live) == {LOG: "1-0"}


def test_a_pause_takes_the_subscription_back_and_a_resume_asks_again() -> None:
    live, taker = subscribed(positions={LOG: "0-0"}), Taker()
    unsubscribe = live.pause()
    assert unsubscribe is not None
    assert (unsubscribe.events, live.subscription()) == (["post:*"], None)
    live.take(event(1), taker)
    assert taker.taken == []
    live.resume()
    assert since(live) == {LOG: "0-0"}


def test_a_pause_outlasts_the_connection() -> None:
    live = subscribed()
    live.pause()
    live.disconnected()
    live.connected()
    assert live.subscription() is None


def test_to_resume_anew_takes_nothing_more_of_the_old_connection() -> None:
    live, taker = subscribed(positions={LOG: "0-0"}), Taker()
    taker.is_full = True
    live.take(event(1), taker)
    taker.is_full = False
    live.resume_anew()
    live.take(event(2), taker)
    live.disconnected()
    live.connected()
    assert since(live) == {LOG: "0-0"}
    live.take(event(1), taker)
    assert taker.taken == ["1-0"]


def test_to_resume_anew_counts_for_one_connection() -> None:
    live = subscribed()
    live.resume_anew()
    live.connected()
    live.pause()
    live.disconnected()
    live.connected()
    assert live.subscription() is None


def test_a_heartbeat_moves_on_and_never_back() -> None:
    live = subscribed(positions={LOG: "5-0"})
    live.heartbeat({LOG: "9-0"})
    live.heartbeat({LOG: "4-0", "exprsn-herald": "2-0"})
    assert live.positions == {LOG: "9-0", "exprsn-herald": "2-0"}


def test_a_log_that_cannot_be_recovered_begins_anew_also_further_back() -> None:
    """The log may have been lost, and began again from less than what this end has seen."""
    live, taker = subscribed(positions={LOG: "50-0", "exprsn-herald": "50-0"}), Taker()
    live.disconnected()
    subscribe = live.subscription()
    assert subscribe is not None
    ok = Ok(id=subscribe.id, positions={LOG: "20-0", "exprsn-herald": "20-0"}, reasons={LOG: "unknown_position"})
    assert live.answered(ok) == {LOG: "unknown_position"}
    live.take(event(21), taker)
    live.take(event(21, log="exprsn-herald"), taker)
    assert (taker.taken, live.positions) == (["21-0"], {LOG: "21-0", "exprsn-herald": "50-0"})


def test_other_answers_and_those_of_an_earlier_subscription_mean_nothing() -> None:
    live = LiveSubscription(["post:*"])
    assert live.answered(Ok(positions={LOG: "9-0"})) == {}
    earlier = live.subscription()
    assert earlier is not None
    live.pause()
    live.resume()
    assert live.subscription() is not None
    assert live.answered(Ok(id=earlier.id, positions={LOG: "9-0"}, reasons={LOG: "trimmed"})) == {}
    assert live.positions == {}
