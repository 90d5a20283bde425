"""What a hub has counted as refused, for tests."""

from ipc.hub.hub import Hub
from ipc.protocol.tally import REFUSED, parts


def refused_by(hub: Hub, kind: str = REFUSED) -> dict[tuple[str, str], int]:
    """Return how much was refused since the hub has started, by service and code, whether or not a second has ended."""
    hub.statistics.turn()
    rows = {parts(name): number for name, number in hub.statistics.since_start.counts.items()}
    return {(row[1], row[2]): number for row, number in rows.items() if row[0] == kind}
