"""What services are known by: their instances, what these serve, say and hear, and how calls to them are doing."""

import re
from typing import Any, Final, Literal

from msgspec import Struct

SOURCE: Final = "exprsn-bridge"
"""Who says that a service has come or gone: the mesh has no name of its own, and the bridge is the part all know."""

ONLINE: Final = "service:online"
OFFLINE: Final = "service:offline"
PRESENCE_EVENTS: Final = frozenset({ONLINE, OFFLINE})
"""Only hubs emit these."""

MAX_VERSION: Final = 64
_VERSION: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+\-]{{0,{MAX_VERSION - 1}}}")
MAX_EMITS: Final = 100


def version_of(text: str) -> str:
    """Return what a program says its version is, or nothing where it is none that can be shown."""
    return text if _VERSION.fullmatch(text) else ""


class Hearing(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an instance hears: patterns, live or as a member of a group, and what narrows and shapes them.

    ``is_cut`` says that ``where`` and ``select`` were too large to be written down. ``credit`` is how many deliveries
    of the group it takes at a time.
    """

    events: tuple[str, ...]
    group: str = ""
    where: Any = None
    select: Any = None
    is_cut: bool = False
    credit: int = 0


class ServedResource(Struct, frozen=True, kw_only=True):
    """A resource that an instance answers calls to, with its operations."""

    name: str
    ops: tuple[str, ...]


class Change(Struct, frozen=True, kw_only=True):
    """A service has come or gone; ``generation`` is later for each change of the service."""

    service: str = ""
    state: Literal["online", "offline"]
    generation: int
    at_ms: int
    instance: str
    reason: str

    @property
    def event(self) -> str:
        """The name of the event that says so."""
        return ONLINE if self.state == "online" else OFFLINE

    @property
    def event_id(self) -> str:
        """The id of that event: one for each change, so that repeats are dropped."""
        return f"{self.service}:{self.state}:{self.generation}"


Changes = list[Change]


class EndpointFigures(Struct, kw_only=True):
    """How an operation on a resource is doing, over all hubs that run; times in milliseconds."""

    resource: str
    op: str
    requests: int
    errors: int
    mean_ms: float
    p99_ms: float
    last_error: str | None = None
    last_error_ms: int | None = None


class OwnerState(Struct, kw_only=True):
    """How one hub sees an instance that serves a resource: its breaker, and the calls that it has given to it."""

    resource: str
    instance: str
    hub: str
    breaker: str
    opens_in_ms: int
    in_flight: int
    limit: int
    breaker_failures: int
    breaker_pause_ms: int


class GroupHearing(Struct, kw_only=True):
    """A durable group that an instance is a member of, and the patterns of the group."""

    group: str
    events: list[str]


class InstanceInfo(Struct, kw_only=True):
    """One attached instance; what it says of itself (version, pid, hostname) is shown and never trusted."""

    instance: str
    version: str
    pid: int
    hostname: str
    door: str
    hub: str
    registered_ms: int
    last_seen_ms: int
    last_activity_ms: int
    resources: list[ServedResource]
    emits: list[str]
    hears: list[str]
    groups: list[GroupHearing]


class ServiceInfo(Struct, kw_only=True):
    """One service that is attached, or that calls were made to."""

    name: str
    namespace: str
    registered_ms: int | None
    last_seen_ms: int | None
    instance_count: int
    instances: list[InstanceInfo]
    endpoints: list[EndpointFigures]
    owners: list[OwnerState]


class Services(Struct, kw_only=True):
    """All services; ``has_more`` says that there are more instances than an answer holds."""

    services: list[ServiceInfo]
    hubs: int
    asked_ms: int
    has_more: bool = False
