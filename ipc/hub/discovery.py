"""Discovery: all services with their instances, and how calls to them are doing, from what Redis knows."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ipc.hub.endpoints import merged_figures
from ipc.hub.stores import DeclarationStore, RegistryStore, ShareStore
from ipc.protocol.declarations import DeclaredEvent, DeclaredInfo
from ipc.protocol.discovery import GroupHearing, InstanceInfo, OwnerState, ServiceInfo, Services
from ipc.protocol.services import full_name, namespace
from ipc.stores.registry import Registration
from ipc.stores.shares import EndpointShare, Share

MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_OWNERS: Final = 1_000


class Discovery:
    """Answers which services there are.

    Args:
        registry: knows the instances.
        shares: what hubs say of calls.
        declarations: what services have declared of their events.

    """

    def __init__(self, registry: RegistryStore, shares: ShareStore, declarations: DeclarationStore) -> None:
        self._registry = registry
        self._shares = shares
        self._declarations = declarations

    async def services(self, only: str | None = None) -> Services:
        """Return the services that are attached or have been called, by name; ``only`` one of them, by either name.

        Raises:
            UnknownServiceError: there is no such service.
            UnavailableError: Redis is out of reach.

        """
        name = full_name(only) if only is not None else None
        registrations = [found for found in await self._registry.list() if name in {None, found.service}]
        shares = await self._shares.list()
        found = services_of(registrations, shares, only=name, now_ms=time.time_ns() // 1_000_000)
        declared: defaultdict[str, list[DeclaredInfo]] = defaultdict(list)
        for each in await self._declarations.list(name):
            declared[each.service].append(_declared(each))
        for service in found.services:
            service.declares = declared[service.name]
        return found


def services_of(
    registrations: Iterable[Registration], shares: Sequence[Share], *, only: str | None = None, now_ms: int
) -> Services:
    """Return all services, with as many of their instances as fit into a megabyte of JSON."""
    instances: defaultdict[str, list[Registration]] = defaultdict(list)
    for registration in registrations:
        instances[registration.service].append(registration)
    endpoints: defaultdict[str, list[EndpointShare]] = defaultdict(list)
    for endpoint in (endpoint for share in shares for endpoint in share.endpoints):
        endpoints[endpoint.service].append(endpoint)
    owners: defaultdict[str, list[OwnerState]] = defaultdict(list)
    for owner in [owner for share in shares for owner in share.owners][:MAX_OWNERS]:
        owners[owner.instance.partition(":")[0]].append(owner)
    names = sorted(name for name in {*instances, *endpoints, *owners} if only in {None, name})
    left_bytes, has_more = MAX_ANSWER_BYTES, False
    found = []
    for name in names:
        shown: list[InstanceInfo] = []
        for registration in sorted(instances[name], key=_by_age):
            info = _instance(registration)
            left_bytes -= len(msgspec.json.encode(info))
            if left_bytes < 0:
                has_more = True
                break
            shown.append(info)
        found.append(
            ServiceInfo(
                name=name,
                namespace=namespace(name),
                registered_ms=min((entry.registered_ms for entry in instances[name]), default=None),
                last_seen_ms=max((entry.last_seen_ms for entry in instances[name]), default=None),
                instance_count=len(instances[name]),
                instances=shown,
                endpoints=merged_figures(endpoints[name]),
                owners=sorted(owners[name], key=_by_place),
            )
        )
    return Services(services=found, hubs=len(shares), asked_ms=now_ms, has_more=has_more)


def _instance(registration: Registration) -> InstanceInfo:
    hears: dict[str, None] = {}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for hearing in registration.hears:
        if hearing.group:
            groups[hearing.group] += hearing.events
        else:
            hears.update(dict.fromkeys(hearing.events))
    return InstanceInfo(
        instance=registration.instance,
        version=registration.version,
        pid=registration.pid,
        hostname=registration.hostname,
        door=registration.door,
        hub=registration.hub,
        registered_ms=registration.registered_ms,
        last_seen_ms=registration.last_seen_ms,
        last_activity_ms=registration.last_activity_ms,
        resources=list(registration.resources),
        emits=sorted(registration.emits),
        hears=sorted(hears),
        groups=[GroupHearing(group=name, events=sorted(patterns)) for name, patterns in sorted(groups.items())],
    )


def _declared(each: DeclaredEvent) -> DeclaredInfo:
    return DeclaredInfo(
        event=each.declaration.event, declared_ms=each.declared_ms, is_checked=each.is_checked, drift=each.drift
    )


def _by_age(registration: Registration) -> tuple[int, str]:
    return registration.registered_ms, registration.instance


def _by_place(owner: OwnerState) -> tuple[str, str, str]:
    return owner.resource, owner.instance, owner.hub
