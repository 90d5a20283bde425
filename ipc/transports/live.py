"""A live subscription as its client sees it: from which positions to go on, and whether anything is wanted now."""

from collections.abc import Callable, Mapping, Sequence

from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import Event, Ok, Subscribe, Subscription, Unsubscribe
from ipc.protocol.positions import position_key


class LiveSubscription:
    """What a link must know to pause, and to go on after a pause or on another connection without a gap or a repeat.

    It sends nothing: it returns the messages to send. Nothing moves a position past an event that was not taken.

    Args:
        patterns: the events that are wanted.
        since: the position in each log to begin after; at the end of a log that is not in it.
        filtered: events of which some are wanted, or a part.

    """

    def __init__(
        self, patterns: Sequence[str], since: Mapping[str, str] | None = None, filtered: Sequence[Subscription] = ()
    ) -> None:
        self.positions: dict[str, str] = dict(since or {})
        self._wanted = [*([Subscription(events=list(patterns))] if patterns else []), *filtered]
        self._patterns = [pattern for wanted in self._wanted for pattern in wanted.events]
        self._is_paused = False
        self._is_asked_for = False
        self._resumes_anew = False
        self._request_id = ""

    def pause(self) -> Unsubscribe | None:
        """Want no more events, and return what to tell the hub; those that still come are not taken."""
        self._is_paused = True
        self._is_asked_for = False
        return Unsubscribe(id=new_ulid(), events=self._patterns) if self._patterns else None

    def resume(self) -> None:
        """Want events again; `subscription` asks for them."""
        self._is_paused = False

    def resume_anew(self) -> None:
        """Want events again from the next connection on.

        What the old one still brings may come behind events that were not taken.
        """
        self._resumes_anew = True

    def connected(self) -> None:
        """Begin on a new connection, where nothing was asked for yet."""
        if self._resumes_anew:
            self._resumes_anew = self._is_paused = False

    def disconnected(self) -> None:
        """Know that the hub has forgotten the subscription with the connection."""
        self._is_asked_for = False

    def subscription(self) -> Subscribe | None:
        """Return how to ask for events from the last that was taken; None if they are not wanted, or asked for."""
        if not self._patterns or self._is_paused or self._is_asked_for:
            return None
        self._is_asked_for = True
        self._request_id = new_ulid()
        first, *others = self._wanted
        return Subscribe(
            id=self._request_id,
            events=first.events,
            where=first.where,
            select=first.select,
            also=others or None,
            since=dict(self.positions) or None,
        )

    def answered(self, ok: Ok) -> dict[str, str]:
        """Begin where the hub says, if this answers the subscription; return why events of which logs are lost."""
        if ok.id != self._request_id:
            return {}
        reasons = ok.reasons or {}
        for log, position in (ok.positions or {}).items():
            if log in reasons:
                self.positions[log] = position
            else:
                self._advance(log, position)
        return reasons

    def take(self, event: Event, receive: Callable[[Event], bool]) -> None:
        """Hand over an event that is wanted and new; one that is refused pauses, so that none is taken behind it."""
        # A replay may overlap with what came before the connection was lost.
        if self._is_paused or not self._is_new(event.log, event.position):
            return
        if receive(event):
            self._advance(event.log, event.position)
        else:
            self._is_paused = True

    def heartbeat(self, positions: Mapping[str, str]) -> None:
        """Move on to where the hub is with nothing left to send, unless events were passed over."""
        if not self._is_paused:
            for log, position in positions.items():
                self._advance(log, position)

    def _is_new(self, log: str, position: str) -> bool:
        known = self.positions.get(log)
        return known is None or position_key(position) > position_key(known)

    def _advance(self, log: str, position: str) -> None:
        if self._is_new(log, position):
            self.positions[log] = position
