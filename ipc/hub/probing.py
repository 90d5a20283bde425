"""Whether the hubs that owe answers are there, and whether they have the calls at all: they are asked, every second."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PROBE_AFTER_S: Final = 1.0
UNANSWERED_S: Final = 2.0
"""A hub that was asked, and has said nothing at all for so long, is lost: three seconds after it was given a call."""
FROZEN_S: Final = 0.5
MAX_HUBS: Final = 256
MAX_ASKED: Final = 1_000


@dataclass(slots=True)
class _Asked:
    last: float
    unanswered_since: float | None


class Probing:
    """The questions of one hub.

    Args:
        ask: sends a question to a hub, with its address and the calls that it should have.

    """

    def __init__(self, ask: Callable[[str, str, list[str]], None]) -> None:
        self._ask = ask
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._looked_at = time.monotonic()

    def heard(self, hub_id: str) -> None:
        """Take note that a hub has said something."""
        if (asked := self._asked.get(hub_id)) is not None:
            asked.unanswered_since = None

    def not_asked(self) -> None:
        """Take note that questions could not be sent: whoever got none need not answer."""
        for asked in self._asked.values():
            asked.unanswered_since = None

    def probe(self, hub_id: str, address: str, call_ids: Sequence[str] = ()) -> None:
        """Ask a hub, unless it was asked a moment ago."""
        now = time.monotonic()
        asked = self._asked.get(hub_id)
        if asked is None:
            asked = self._asked[hub_id] = _Asked(0.0, None)
            if len(self._asked) > MAX_HUBS:
                self._asked.popitem(last=False)
        if now - asked.last < PROBE_AFTER_S:
            return
        asked.last = now
        if asked.unanswered_since is None:
            asked.unanswered_since = now
        self._ask(hub_id, address, list(call_ids[:MAX_ASKED]))

    def look(self, waiting: Mapping[tuple[str, str], Sequence[str]]) -> set[str]:
        """Ask those that are waited for, by hub and address, and return the hubs that are lost."""
        now = time.monotonic()
        if now - self._looked_at > FROZEN_S:
            # It was this process that stood still, and the answers have not been read yet.
            for asked in self._asked.values():
                if asked.unanswered_since is not None:
                    asked.unanswered_since = now
        self._looked_at = now
        lost: set[str] = set()
        for (hub_id, address), call_ids in waiting.items():
            since = self._unanswered_since(hub_id)
            if since is not None and now - since > UNANSWERED_S:
                lost.add(hub_id)
                self._asked.pop(hub_id, None)
            else:
                self.probe(hub_id, address, call_ids)
        return lost

    def _unanswered_since(self, hub_id: str) -> float | None:
        asked = self._asked.get(hub_id)
        return asked.unanswered_since if asked is not None else None
