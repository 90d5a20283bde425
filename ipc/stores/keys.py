"""The names of all keys in Redis. The braces keep the keys of one script in one cluster slot."""

from typing import Final

INSTANCES: Final = "ipc:instances"


def log(name: str) -> str:
    """Return the stream of a log."""
    return f"ipc:log:{{{name}}}"


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


def group_definitions(service: str) -> str:
    """Return the hash of a service's groups."""
    return f"ipc:group:{{{service}}}"
