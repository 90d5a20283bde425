"""What hubs push to each other of a log."""

from dataclasses import dataclass


@dataclass(slots=True)
class Push:
    """Events that were appended to a log in one go; without ``frames`` it only says how far the log has come."""

    log: str
    prev: str
    positions: list[str]
    events: list[str]
    frames: list[str]
