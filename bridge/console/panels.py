"""What the overview shows, with what it means: figures that are always in sight, and charts over some time."""

from typing import Final, NamedTuple


class Tile(NamedTuple):
    """A figure that is always in sight."""

    key: str
    title: str
    meaning: str
    curves: str
    """The curves of `ipc.protocol.statistics.Series` that the small chart adds up."""


TILES: Final = (
    Tile(
        "emitted",
        "Events in",
        "Events that were appended to a log, by the second.",
        "emitted",
    ),
    Tile(
        "delivered",
        "Delivered",
        "Events handed to sessions, by the second: one event to ten services is ten.",
        "delivered",
    ),
    Tile(
        "calls",
        "Calls",
        "Calls that have ended, by the second, answered or failed.",
        "calls",
    ),
    Tile(
        "delivery",
        "Delivery time",
        (
            "From an event's append until it is handed to a live session. Half of them take at most p50, all but one "
            "in a hundred at most p99. Over the last minute."
        ),
        "deliveryP50Ms",
    ),
    Tile(
        "call",
        "Call time",
        "From a call until its reply, as the caller's hub sees it. Over the last minute.",
        "callP50Ms",
    ),
    Tile(
        "ack",
        "Group time",
        "From an event's append until a member of a group has acknowledged it, retries included. Over the last minute.",
        "ackP50Ms",
    ),
    Tile(
        "errors",
        "Errors",
        "Calls that failed and deliveries that were not acknowledged, in the last minute.",
        "callsFailed deliveriesFailed",
    ),
    Tile(
        "refused",
        "Refusals",
        (
            "Messages and connections that were refused in the last minute: bad tokens, lacking permissions, rate "
            "limits, wrong messages."
        ),
        "refused",
    ),
    Tile(
        "backlog",
        "Group backlog",
        "What durable groups have not read in their logs yet, wanted or not, and what they hold unacknowledged. It "
        "falls when members keep up; a group without a member reads nothing.",
        "waiting pending",
    ),
    Tile(
        "dead",
        "Dead letters",
        "Events that a group has given up after its last attempt. Look at them, mend the cause and redrive them.",
        "deadLetters",
    ),
    Tile(
        "lag",
        "Log lag",
        "How far the slowest bridge process is behind the end of a log. Above a second something is overloaded.",
        "lagMs",
    ),
    Tile(
        "sessions",
        "Sessions",
        "Instances of services that are attached now.",
        "sessions",
    ),
    Tile(
        "redis",
        "Redis memory",
        "What the Redis of the mesh uses, for logs, groups and registry.",
        "redisBytes",
    ),
    Tile(
        "hubs",
        "Processes",
        "Bridge processes, and services inside, that have joined the mesh and said so in the last seconds.",
        "hubs",
    ),
)


class Line(NamedTuple):
    """One curve of a chart."""

    curve: str
    title: str


class Chart(NamedTuple):
    """Curves that belong together, over a time that is chosen."""

    key: str
    title: str
    meaning: str
    unit: str
    lines: tuple[Line, ...]


CHARTS: Final = (
    Chart(
        "events",
        "Events",
        "How many events come in, and how many deliveries they become.",
        "/s",
        (
            Line("emitted", "in"),
            Line("delivered", "delivered"),
            Line("acked", "acknowledged by groups"),
        ),
    ),
    Chart(
        "calls",
        "Calls",
        "Calls that have ended, and those of them that failed.",
        "/s",
        (
            Line("calls", "all"),
            Line("callsFailed", "failed"),
        ),
    ),
    Chart(
        "delivery",
        "Delivery time",
        "From an event's append until it is handed to a live session.",
        "ms",
        (
            Line("deliveryP50Ms", "p50"),
            Line("deliveryP99Ms", "p99"),
        ),
    ),
    Chart(
        "call",
        "Call time",
        "From a call until its reply.",
        "ms",
        (
            Line("callP50Ms", "p50"),
            Line("callP99Ms", "p99"),
        ),
    ),
    Chart(
        "ack",
        "Group time",
        "From an event's append until a member of a group has acknowledged it.",
        "ms",
        (Line("ackP50Ms", "p50"), Line("ackP99Ms", "p99")),
    ),
    Chart(
        "trouble",
        "Errors and refusals",
        "What went wrong: failed deliveries and calls, refused messages, events given up.",
        "/s",
        (
            Line("refused", "refused"),
            Line("callsFailed", "calls failed"),
            Line("deliveriesFailed", "deliveries failed"),
            Line("deliveriesDead", "given up"),
        ),
    ),
    Chart(
        "groups",
        "Group backlog",
        "Events that groups have not read, hold unacknowledged, or have given up.",
        "",
        (
            Line("waiting", "waiting"),
            Line("pending", "pending"),
            Line("deadLetters", "dead letters"),
        ),
    ),
    Chart(
        "lag",
        "Log lag",
        "How far the slowest bridge process is behind the end of a log.",
        "ms",
        (Line("lagMs", "lag"),),
    ),
    Chart(
        "sessions",
        "Sessions",
        "Instances that are attached.",
        "",
        (
            Line("sessions", "sessions"),
            Line("hubs", "processes"),
        ),
    ),
    Chart(
        "redis",
        "Redis memory",
        "What the Redis of the mesh uses.",
        "bytes",
        (Line("redisBytes", "used"),),
    ),
)
