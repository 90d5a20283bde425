"""How many dead letters a filter means, and of which groups: said before something is done with all of them."""

from collections.abc import Mapping, Sequence
from typing import Final

from ipc.protocol.services import short_name

Counts = Sequence[tuple[str, str, int]]
"""The short name of a service, a group of it, and how many letters it has."""
OF_GROUPS: Final = {"service", "group"}
"""The parts of the filter that choose whole groups."""


def extent(asked: Mapping[str, str], counts: Counts, *, shown: int, is_all: bool) -> str:
    """Return what is meant, such as ``2 dead letters of herald/notify``.

    Args:
        asked: what the filter says.
        counts: how many letters each group has.
        shown: how many of those that are meant are on the page.
        is_all: whether there are no others.

    """
    service, group = short_name(asked["service"]) if "service" in asked else "", asked.get("group", "")
    if asked.keys() <= OF_GROUPS:
        meant = [count for name, of, count in counts if service in {"", name} and group in {"", of}]
        every = "all " if not asked and sum(meant) > 1 else ""
        return f"{every}{_letters(sum(meant))} of {_groups(service, group)}"
    return f"{'' if is_all else 'at least '}{_letters(shown)} of {_groups(service, group)} that match the filter"


def _letters(count: int) -> str:
    return f"{count} dead letter{'' if count == 1 else 's'}"


def _groups(service: str, group: str) -> str:
    if service and group:
        return f"{service}/{group}"
    if service:
        return f"all groups of {service}"
    return f"groups named {group}" if group else "all groups"
