"""The names of all keys in Redis. The braces keep the keys of one script in one cluster slot."""

from typing import Final

HUBS: Final = "ipc:hubs"
"""The sorted set of the hubs that run, by when their word runs out."""
AUDIT: Final = "ipc:audit"
"""The stream of who was given, took back or was refused what."""
DEAD_GROUPS: Final = "ipc:dead"
"""The set of ``<service>/<group>`` that have ever had a dead letter."""

STATISTICS_LEADER: Final = "ipc:stats:{all}:leader"
"""The hub that looks, for all, how groups and Redis stand."""


def log(name: str) -> str:
    """Return the stream of a log; a group's own one is in the slot of its service, as its dead letters are."""
    service, _, group = name.partition("/")
    return f"ipc:log:{{{service}}}:{group}" if group else f"ipc:log:{{{service}}}"


def last(name: str) -> str:
    """Return the key that holds the position of the last event appended to a log."""
    return f"ipc:last:{{{name}}}"


def seen_prefix(name: str) -> str:
    """Return what the keys that remember an emitter's ids in a log start with."""
    return f"ipc:seen:{{{name}}}:"


def instances(service: str) -> str:
    """Return the sorted set of a service's instances, by when they expire."""
    return f"ipc:instances:{{{service}}}"


def instance(service: str) -> str:
    """Return the hash of what each instance of a service says of itself."""
    return f"ipc:instance:{{{service}}}"


def service(name: str) -> str:
    """Return the hash that says whether a service is there, and since which change."""
    return f"ipc:service:{{{name}}}"


def changes(service: str) -> str:
    """Return the sorted set of a service's comings and goings that are not announced yet."""
    return f"ipc:changes:{{{service}}}"


def share(hub: str) -> str:
    """Return the key of what a hub says of its part in calls."""
    return f"ipc:share:{{{hub}}}"


def statistics(part: str, step_s: int, begin_s: int) -> str:
    """Return the key of one step of the statistics; all of them are in one slot, since one script writes several."""
    return f"ipc:stats:{{all}}:{part}:{step_s}:{begin_s}"


def resource(name: str) -> str:
    """Return the hash of who serves a resource."""
    return f"ipc:resource:{{{name}}}"


def serving(service: str, group: str) -> str:
    """Return the sorted set of the hubs that have members of a group."""
    return f"ipc:serving:{{{service}}}:{group}"


def dead(service: str, group: str) -> str:
    """Return the stream of a group's dead letters."""
    return f"ipc:dead:{{{service}}}:{group}"


def discarded(service: str, group: str) -> str:
    """Return the stream that says which of a group's dead letters were discarded, by whom and why."""
    return f"ipc:discarded:{{{service}}}:{group}"


def replay(service: str, group: str) -> str:
    """Return the hash of the latest replay into a group."""
    return f"ipc:replay:{{{service}}}:{group}"


def group_definition(service: str, group: str) -> str:
    """Return the hash that says what a group wants, and where in each log it began."""
    return f"ipc:group:{{{service}}}:{group}"


def ledger(group: str) -> str:
    """Return the capped stream that says what a group, ``<service>/<group>``, is done with."""
    service, _, name = group.partition("/")
    return f"ipc:ledger:{{{service}}}:{name}"


def notes(group: str) -> str:
    """Return the hash of what is in hand of a group, ``<service>/<group>``, and takes long or comes again."""
    service, _, name = group.partition("/")
    return f"ipc:notes:{{{service}}}:{name}"


def handled(group: str, key: str) -> str:
    """Return the key that remembers that a group, ``<service>/<group>``, has handled an event."""
    service, _, name = group.partition("/")
    return f"ipc:done:{{{service}}}:{name}:{key}"


def token(token_id: str) -> str:
    """Return the key of what is known of a token."""
    return f"ipc:token:{{{token_id}}}"


def tokens(service: str) -> str:
    """Return the sorted set of a service's tokens, by when they expire."""
    return f"ipc:tokens:{{{service}}}"


def revoked(name: str) -> str:
    """Return the key that says that a token is revoked, or the sorted set of up to when a service's are."""
    return f"ipc:revoked:{{{name}}}"


def used(name: str) -> str:
    """Return the key that remembers that something good for once was used."""
    return f"ipc:used:{{{name}}}"


def attempts(name: str) -> str:
    """Return the counter of how often something was tried in vain."""
    return f"ipc:attempts:{{{name}}}"


def state(key: str) -> str:
    """Return the key of the state of a token, and of those that it was renewed to."""
    return f"ipc:state:{{{key}}}"


def operations(service: str) -> str:
    """Return the sorted set of a service's long operations, by when they began."""
    return f"ipc:operations:{{{service}}}"


def declared(service: str) -> str:
    """Return the hash of what a service has declared of its events."""
    return f"ipc:declared:{{{service}}}"


def drift(service: str) -> str:
    """Return the hash of how a service's events fit what it has declared of them."""
    return f"ipc:drift:{{{service}}}"


def lost(name: str) -> str:
    """Return the hash of how many events of a log each group has lost to its cap."""
    return f"ipc:lost:{{{name}}}"


def rate(budget: str) -> str:
    """Return the sorted set of what a budget, ``<service>`` or ``<service>/exempt``, has let through, by when."""
    service, _, kind = budget.partition("/")
    return f"ipc:rate:{{{service}}}:{kind}" if kind else f"ipc:rate:{{{service}}}"


def leases(budget: str) -> str:
    """Return the hash of a budget's total and of what hubs may let through of it by themselves."""
    return f"{rate(budget)}:leases"
