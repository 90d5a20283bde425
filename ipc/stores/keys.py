"""The names of all keys in Redis. The braces keep the keys of one script in one cluster slot."""

from typing import Final

INSTANCES: Final = "ipc:instances"
DEAD_GROUPS: Final = "ipc:dead"
"""The set of ``<service>/<group>`` that have ever had a dead letter."""


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


def instance(name: str) -> str:
    """Return the hash that describes an instance."""
    return f"ipc:instance:{{{name}}}"


def serving(service: str, group: str) -> str:
    """Return the sorted set of the hubs that have members of a group."""
    return f"ipc:serving:{{{service}}}:{group}"


def dead(service: str, group: str) -> str:
    """Return the stream of a group's dead letters."""
    return f"ipc:dead:{{{service}}}:{group}"


def discarded(service: str, group: str) -> str:
    """Return the stream that says which of a group's dead letters were discarded, by whom and why."""
    return f"ipc:discarded:{{{service}}}:{group}"


def group_definitions(service: str) -> str:
    """Return the hash of a service's groups."""
    return f"ipc:group:{{{service}}}"


def handled(group: str, key: str) -> str:
    """Return the key that remembers that a group, ``<service>/<group>``, has handled an event."""
    service, _, name = group.partition("/")
    return f"ipc:done:{{{service}}}:{name}:{key}"


def lost(name: str) -> str:
    """Return the hash of how many events of a log each group has lost to its cap."""
    return f"ipc:lost:{{{name}}}"
