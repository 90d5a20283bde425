"""Services and explanations as commands show them to people."""

from collections.abc import Iterator
from datetime import UTC, datetime

from ipc.django_app.dead_letters import one_line
from ipc.protocol.discovery import OwnerState, ServiceInfo, Services
from ipc.protocol.explanation import Explanation, GroupVerdict, LiveVerdict


def service_lines(found: Services) -> Iterator[str]:
    """Yield the lines that say which services there are."""
    for service in found.services:
        yield from _service(service)
    count = len(found.services)
    more = "; there are more instances, ask for one service" if found.has_more else ""
    yield f"{count} service{'' if count == 1 else 's'}, {found.hubs} hub{'' if found.hubs == 1 else 's'}{more}"


def _service(service: ServiceInfo) -> Iterator[str]:
    count = service.instance_count
    yield f"{service.name}  {f'{count} instance' + ('' if count == 1 else 's') if count else 'offline'}"
    for each in service.instances:
        version = f"  {each.version}" if each.version else ""
        where = one_line(f"{each.hostname} pid {each.pid}")
        yield f"  {each.instance}{version}  {where}  {each.door}  since {_moment(each.registered_ms)}"
        if each.resources:
            served = "; ".join(f"{resource.name} ({', '.join(resource.ops)})" for resource in each.resources)
            yield f"    serves  {one_line(served)}"
        if each.hears:
            yield f"    hears   {one_line(', '.join(each.hears))}"
        for group in each.groups:
            yield f"    group   {group.group}: {one_line(', '.join(group.events))}"
        if each.emits:
            yield f"    emits   {one_line(', '.join(each.emits))}"
    for figures in service.endpoints:
        error = f"  last: {one_line(figures.last_error)}" if figures.last_error else ""
        yield (
            f"  {figures.resource}.{figures.op}  {figures.requests} requests  {figures.errors} errors  "
            f"mean {figures.mean_ms:g} ms  p99 {figures.p99_ms:g} ms{error}"
        )
    for declared in service.declares:
        drift = declared.drift
        last = f"  last: {one_line(f'{drift.last_pointer}: {drift.last_error}')}" if drift.drifted else ""
        yield f"  {declared.event}  {drift.checked} checked  {drift.drifted} drifted{last}"
    yield from (_owner(owner) for owner in service.owners if owner.breaker != "closed" or owner.in_flight)


def _owner(owner: OwnerState) -> str:
    again = f", again in {owner.opens_in_ms} ms" if owner.opens_in_ms else ""
    return (
        f"  {owner.resource} at {owner.instance}: breaker {owner.breaker}{again}, {owner.in_flight} of {owner.limit} "
        f"calls in flight from hub {owner.hub}"
    )


def explanation_lines(found: Explanation) -> Iterator[str]:
    """Yield the lines that say who would get an event."""
    if found.refused is not None:
        yield f"refused: {found.refused.message} ({found.refused.code}); if it were not:"
    for verdict in found.live:
        yield f"{_mark(verdict)}  {verdict.instance}  {one_line(verdict.text)}"
    for group in found.groups:
        yield f"{_mark(group)}  {group.service}/{group.group}  {one_line(group.text)}"
    if found.offline:
        yield f"offline: {', '.join(found.offline)}"
    if found.has_more:
        yield "there are more"


def _mark(verdict: LiveVerdict | GroupVerdict) -> str:
    return {True: "gets it", False: "no     ", None: "unknown"}[verdict.gets]


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
