"""What goes wrong most often, provoked beside a running system: each returns what whoever is at fault is told."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from tests.scene import Scene
from tests.troubles import calls, connecting, events, proofs, starting

Provocation = Callable[[Scene], Awaitable[str]]

PROVOCATIONS: Final[tuple[Provocation, ...]] = (
    starting.port_taken,
    starting.started_twice,
    starting.environment_not_set,
    partial(starting.unsafe, EXPRSN_ENV="production"),
    partial(starting.unsafe, EXPRSN_ENV="development", BIND_HOST="0.0.0.0"),  # noqa: S104 - it is what is refused
    partial(starting.unsafe, EXPRSN_SERVICE="bridge", IPC_BROKER_KEY="short"),
    connecting.authority_unknown_to_curl,
    connecting.environment_says_nothing,
    connecting.path_in_address,
    connecting.no_bridge,
    connecting.without_tls,
    connecting.bridge_away,
    connecting.authority_unknown,
    connecting.service_unknown,
    proofs.nobody,
    proofs.token_expired,
    proofs.token_of_another_mesh,
    proofs.token_of_another_service,
    proofs.token_revoked,
    proofs.not_permitted,
    partial(events.emitted, event="created"),
    partial(events.emitted, event="stock:low", target="stocks"),
    partial(events.emitted, event="stock:low", data="x" * 300_000),
    events.too_many,
    events.missed,
    calls.nobody_serves,
    calls.too_late,
    calls.broken,
    calls.too_much_at_once,
    partial(calls.broken, times=6),
    calls.served_by_another,
    calls.key_as_query,
    events.redis_away,
)
"""In the order of the guide's rows."""
