"""What the statistics of the mesh say, as those who read them get it: all over all hubs; times in milliseconds."""

from typing import Final, Literal

from msgspec import Struct, field

from ipc.protocol.errors import BadMessageError

Window = Literal[60, 300, 3600, 86400]
WINDOWS: Final[tuple[Window, ...]] = (60, 300, 3600, 86400)
"""The seconds that figures may be asked for."""
USUAL_WINDOW: Final[Window] = 300

Span = Literal["5m", "1h", "24h"]
SPANS: Final[tuple[Span, ...]] = ("5m", "1h", "24h")
"""How far back curves go."""


def window_of(text: str) -> Window:
    """Return the window that a text names.

    Raises:
        BadMessageError: INVALID_MESSAGE, with those that there are.

    """
    found = next((window for window in WINDOWS if str(window) == text), None)
    if found is None:
        raise BadMessageError(f"window is {', '.join(map(str, WINDOWS))} seconds, not {text[:32]!r}")
    return found


class Latency(Struct, kw_only=True, rename="camel"):
    """How long some have taken; half of them took at most ``p50_ms``. All are 0 where there were none."""

    count: int = 0
    mean_ms: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class Totals(Struct, kw_only=True, rename="camel"):
    """What happened in a window. ``counters`` has all that hubs count of themselves (`ipc.hub.counters`)."""

    emitted: int = 0
    delivered: int = 0
    calls: int = 0
    calls_failed: int = 0
    refused: int = 0
    acked: int = 0
    bypassed: int = 0
    delivery: Latency = field(default_factory=Latency)
    ack: Latency = field(default_factory=Latency)
    call: Latency = field(default_factory=Latency)
    counters: dict[str, int] = field(default_factory=dict)


class ServiceFigures(Struct, kw_only=True, rename="camel"):
    """One service: events that it emitted and heard, calls that it made and had, what it was refused; its sessions."""

    service: str
    emitted: int = 0
    delivered: int = 0
    calls_made: int = 0
    calls_made_failed: int = 0
    calls_had: int = 0
    calls_had_failed: int = 0
    refused: int = 0
    sessions: int = 0
    call: Latency = field(default_factory=Latency)
    """How long callers have waited for it."""


class EventFigures(Struct, kw_only=True, rename="camel"):
    """The events of one name that one service has emitted; ``other`` stands for names beyond those with room."""

    event: str
    source: str
    emitted: int


class Edge(Struct, kw_only=True, rename="camel"):
    """What one service has sent to another: events that the other heard, calls, and those of them that failed."""

    source: str
    target: str
    events: int = 0
    calls: int = 0
    calls_failed: int = 0


class OperationFigures(Struct, kw_only=True, rename="camel"):
    """An operation on a resource, as its owner has served it."""

    service: str
    operation: str
    calls: int
    failed: int
    latency: Latency


class CodeFigures(Struct, kw_only=True, rename="camel"):
    """A code: messages and connections refused with it, by service, and calls that failed with it.

    ``strangers`` are those of ``nobody`` who wanted to be a service without a proof, by that service.
    """

    code: str
    refused: dict[str, int]
    strangers: dict[str, int]
    calls_failed: int


class GroupFigures(Struct, kw_only=True, rename="camel"):
    """A group: what it has acknowledged in the window, and how it stands.

    ``waiting`` is what it has not read yet, None while Redis does not know it; ``pending`` is in members' hands or
    comes again; ``oldest_pending_ms`` is the age of the oldest pending event.
    """

    service: str
    group: str
    acked: int = 0
    ack: Latency = field(default_factory=Latency)
    hubs: int = 0
    pending: int = 0
    waiting: int | None = None
    oldest_pending_ms: int | None = None
    lost: int = 0
    dead: int = 0


class RedisFigures(Struct, kw_only=True, rename="camel"):
    """The Redis of the mesh: its memory, in bytes, 0 for no maximum, and how many events each log has."""

    used_bytes: int = 0
    max_bytes: int = 0
    log_lengths: dict[str, int] = field(default_factory=dict)


class Figures(Struct, kw_only=True, rename="camel"):
    """A window up to now. ``seconds`` is what it really covers: whole steps of 10 s, or of 300 s from 3600 s on.

    ``hubs`` have written in the last seconds. ``sampled_ms`` says when groups and Redis were looked at, None where
    that was not done for half a minute; the groups are those with most to do.
    """

    window: int
    seconds: int
    asked_ms: int
    hubs: int
    lag_ms: int
    sessions: int
    totals: Totals
    services: list[ServiceFigures]
    events: list[EventFigures]
    edges: list[Edge]
    operations: list[OperationFigures]
    codes: list[CodeFigures]
    bypassed: dict[str, int]
    sampled_ms: int | None
    groups: list[GroupFigures]
    redis: RedisFigures


Rates = list[float]
Gauges = list[int | None]


class Series(Struct, kw_only=True, rename="camel"):
    """Curves: one value for each step in each list. Counts are by the second; a gauge is None where nobody looked.

    ``at_ms`` is when the steps begin. The last step may be under way still: its rates are those of what has passed.
    """

    span: str
    step_s: int
    at_ms: list[int] = field(default_factory=list)
    emitted: Rates = field(default_factory=list)
    delivered: Rates = field(default_factory=list)
    acked: Rates = field(default_factory=list)
    calls: Rates = field(default_factory=list)
    calls_failed: Rates = field(default_factory=list)
    refused: Rates = field(default_factory=list)
    deliveries_failed: Rates = field(default_factory=list)
    deliveries_dead: Rates = field(default_factory=list)
    delivery_p50_ms: Rates = field(default_factory=list)
    delivery_p99_ms: Rates = field(default_factory=list)
    ack_p50_ms: Rates = field(default_factory=list)
    ack_p99_ms: Rates = field(default_factory=list)
    call_p50_ms: Rates = field(default_factory=list)
    call_p99_ms: Rates = field(default_factory=list)
    hubs: Gauges = field(default_factory=list)
    sessions: Gauges = field(default_factory=list)
    lag_ms: Gauges = field(default_factory=list)
    waiting: Gauges = field(default_factory=list)
    pending: Gauges = field(default_factory=list)
    oldest_pending_ms: Gauges = field(default_factory=list)
    dead_letters: Gauges = field(default_factory=list)
    redis_bytes: Gauges = field(default_factory=list)
