"""The statistics of the mesh, from the registry in Redis: no process is asked, so a dead one delays nothing."""

from collections.abc import Sequence
from typing import Any

from ipc.protocol.limits import Limits
from ipc.protocol.services import namespace
from ipc.stores.registry import Registration


def stats_of(registrations: Sequence[Registration], limits: Limits, *, is_limited: bool) -> dict[str, Any]:
    """Return the statistics; times in Unix milliseconds.

    Shapes: ``services`` has one entry for each service that is attached at least once, described by its instance seen
    last and registered first; ``connections`` has one entry for each session.
    """
    by_service: dict[str, list[Registration]] = {}
    for registration in sorted(registrations, key=lambda registration: registration.registered_ms):
        by_service.setdefault(registration.service, []).append(registration)
    services = [_service(name, instances) for name, instances in sorted(by_service.items())]
    connections = [
        {
            "id": registration.session,
            "service": registration.service,
            "connected": registration.registered_ms,
            "lastActivity": registration.last_activity_ms,
        }
        for registration in registrations
    ]
    return {
        "activeServices": len(services),
        "services": services,
        "activeConnections": len(connections),
        "connections": connections,
        "rateLimits": {
            "enabled": is_limited,
            "window": limits.rate_window_ms,
            "maxRequests": limits.rate_max,
            "maxExempt": limits.rate_exempt_max,
        },
    }


def _service(name: str, instances: Sequence[Registration]) -> dict[str, Any]:
    latest = max(instances, key=lambda registration: registration.last_seen_ms)
    return {
        "name": name,
        "namespace": namespace(name),
        "pid": latest.pid,
        "hostname": latest.hostname,
        "registered": instances[0].registered_ms,
        "lastSeen": latest.last_seen_ms,
    }
