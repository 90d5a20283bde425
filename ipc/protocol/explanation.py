"""Why an event would reach somebody, or not: what an explanation says."""

from enum import StrEnum

from msgspec import Struct


class Reason(StrEnum):
    """Why somebody would get an event, or would not."""

    MATCH = "match"
    TARGET = "target"
    NOT_SUBSCRIBED = "not_subscribed"
    PATTERN = "pattern"
    PERMISSION = "permission"
    WHERE = "where"
    WHERE_FAILED = "where_failed"
    SELECT_FAILED = "select_failed"
    UNKNOWN = "unknown"


class Refusal(Struct, kw_only=True):
    """Why the event would not even be taken."""

    code: str
    message: str


class LiveVerdict(Struct, kw_only=True, omit_defaults=True):
    """Whether an attached instance would get the event; ``gets`` is null where that is not known.

    ``reason`` is one of `Reason`, as text, so that an older reader takes what a newer bridge says.
    """

    service: str
    instance: str
    gets: bool | None
    reason: str
    text: str
    pattern: str | None = None


class GroupVerdict(Struct, kw_only=True, omit_defaults=True):
    """Whether a durable group would get the event, and what would be before it.

    ``offline``: no member is there, so the event would wait in the log. ``ahead`` counts what the group has to do
    before; null while Redis does not know it.
    """

    service: str
    group: str
    gets: bool | None
    reason: str
    text: str
    offline: bool
    hubs: int
    ahead: int | None
    lost: int
    dead: int
    pattern: str | None = None


class Explanation(Struct, kw_only=True):
    """Who would get an event and who would not; ``offline`` are services that it is for and that nobody is there of."""

    event: str
    source: str
    target: list[str]
    refused: Refusal | None
    live: list[LiveVerdict]
    groups: list[GroupVerdict]
    offline: list[str]
    asked_ms: int
    has_more: bool = False
