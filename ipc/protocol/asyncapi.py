"""The running mesh as a document of AsyncAPI 3.0: who emits and who hears which events, and who answers which calls.

The same mesh gives the same document, member for member: everything is in the order of its names.
(https://www.asyncapi.com/docs/reference/specification/v3.0.0)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ipc.protocol.asyncapi_messages import (
    CALL_REPLY,
    HEADERS,
    call_message,
    call_reply,
    event_headers,
    event_message,
    event_schema,
)
from ipc.protocol.declarations import DeclaredEvent
from ipc.protocol.discovery import ServiceInfo
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.services import SHORT_NAMES, short_name

VERSION: Final = "3.0.0"
Section = dict[str, Any]
_DESCRIPTION: Final = (
    "What the services of the mesh say and hear right now. A message's payload is the member `data` of an `event` "
    "message of the protocol `exprsn.ipc.v1`; its headers are the other members. Actions are those of the services: "
    "who sends an event emits it, who receives one hears it."
)


@dataclass(frozen=True, slots=True)
class _Hearing:
    service: str
    pattern: str
    group: str


def asyncapi_document(
    services: Sequence[ServiceInfo], declared: Iterable[DeclaredEvent], *, bridge: str, version: str
) -> Section:
    """Return the document.

    Args:
        services: who is attached.
        declared: what is declared of events.
        bridge: the host and port of the bridge.
        version: of the bridge.

    """
    declarations = {(each.service, each.declaration.event): each for each in declared}
    emitters = _emitters(services, declarations)
    hearings = _hearings(services)
    names = sorted({*emitters, *(each.pattern for each in hearings if "*" not in each.pattern)})
    keys = _unique_keys(names)
    document = _Document(keys, declarations)
    for event in names:
        document.add_event(event, emitters.get(event, []), [each for each in hearings if _hears(each, event)])
    for service in sorted(services, key=lambda each: each.name):
        for resource, ops in _resources(service).items():
            document.add_resource(service.name, resource, ops)
    waiting = _waiting(hearings, names)
    return {
        "asyncapi": VERSION,
        "id": "urn:exprsn:ipc",
        "info": {"title": "Exprsn IPC", "version": version, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"bridge": _server(bridge)},
        "channels": document.channels,
        "operations": dict(sorted(document.operations.items())),
        "components": document.components(),
        **({"x-hears-nothing-yet": waiting} if waiting else {}),
    }


class _Document:
    """The sections that grow with each event and resource."""

    def __init__(self, keys: Mapping[str, str], declarations: Mapping[tuple[str, str], DeclaredEvent]) -> None:
        self.channels: Section = {}
        self.operations: Section = {}
        self._keys = keys
        self._declarations = declarations
        self._messages: Section = {}
        self._schemas: Section = {HEADERS: event_headers()}

    def add_event(self, event: str, emitters: Iterable[str], hearings: Iterable[_Hearing]) -> None:
        """Take an event in, with the services that emit it, and what hears it."""
        key = self._keys[event]
        by_emitter = {service: self._event_message(event, service) for service in emitters}
        names = sorted({*by_emitter.values()}) or [self._event_message(event, "")]
        self.channels[key] = {
            "address": event,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            "tags": [{"name": event.partition(":")[0]}],
        }
        for service, name in by_emitter.items():
            self.operations[f"{short_name(service)}.send.{key}"] = _operation("send", key, [name], service)
        heard: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        for each in hearings:
            group = {"group": each.group} if each.group else {}
            heard[each.service].append({"pattern": each.pattern, **group})
        for service, subscriptions in sorted(heard.items()):
            self.operations[f"{short_name(service)}.receive.{key}"] = {
                **_operation("receive", key, names, service),
                "x-subscriptions": subscriptions,
            }

    def add_resource(self, service: str, resource: str, ops: Sequence[str]) -> None:
        """Take a resource in, with its operations, which a service answers."""
        key = f"resource-{resource}"
        channel = self.channels.setdefault(
            key,
            {
                "address": resource,
                "description": f"Calls to the resource `{resource}`, and the replies to them.",
                "messages": {CALL_REPLY: {"$ref": f"#/components/messages/{CALL_REPLY}"}},
                "tags": [{"name": resource}],
            },
        )
        self._messages[CALL_REPLY] = call_reply()
        for op in ops:
            name = f"call-{resource}-{op}"
            self._messages[name] = call_message(resource, op)
            channel["messages"][name] = {"$ref": f"#/components/messages/{name}"}
            self.operations[f"{short_name(service)}.{resource}.{op}"] = {
                **_operation("receive", key, [name], service),
                "reply": {"channel": {"$ref": f"#/channels/{key}"}, "messages": [_message(key, CALL_REPLY)]},
            }

    def components(self) -> Section:
        """Return what the other sections refer to."""
        return {
            "messages": dict(sorted(self._messages.items())),
            "schemas": dict(sorted(self._schemas.items())),
            "securitySchemes": {
                "brokerToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A broker token of the service, in the header Authorization of the handshake.",
                }
            },
        }

    def _event_message(self, event: str, service: str) -> str:
        """Take the message in that an event is as a service emits it, and return its name."""
        declared = self._declarations.get((service, event))
        name = self._keys[event] if declared is None else f"{self._keys[event]}.of-{short_name(service)}"
        if name not in self._messages:
            self._messages[name] = event_message(event, name, declared)
            self._schemas[name] = event_schema(name, declared)
        return name


def _server(bridge: str) -> Section:
    return {
        "host": bridge,
        "protocol": "wss",
        "pathname": "/ipc/{service}",
        "description": "The bridge, with an address for each service; the subprotocol is exprsn.ipc.v1.",
        "variables": {"service": {"enum": sorted(SHORT_NAMES), "description": "The service that connects."}},
        "security": [{"$ref": "#/components/securitySchemes/brokerToken"}],
    }


def _operation(action: str, channel: str, messages: Sequence[str], service: str) -> Section:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [_message(channel, name) for name in messages],
        "tags": [{"name": service}],
    }


def _message(channel: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{channel}/messages/{name}"}


def _emitters(services: Iterable[ServiceInfo], declared: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for service in services:
        for event in (event for instance in service.instances for event in instance.emits):
            found[event].add(service.name)
    for name, event in declared:
        found[event].add(name)
    return {event: sorted(names) for event, names in found.items()}


def _hearings(services: Iterable[ServiceInfo]) -> list[_Hearing]:
    found = set()
    for service in services:
        for instance in service.instances:
            found |= {_Hearing(service.name, pattern, "") for pattern in instance.hears}
            found |= {
                _Hearing(service.name, pattern, each.group) for each in instance.groups for pattern in each.events
            }
    return sorted(found, key=lambda each: (each.service, each.pattern, each.group))


def _hears(hearing: _Hearing, event: str) -> bool:
    return compile_pattern(hearing.pattern)(event)


def _waiting(hearings: Iterable[_Hearing], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the patterns that match no event that is known, by service."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in hearings:
        if not any(_hears(each, event) for event in names) and each.pattern not in found[each.service]:
            found[each.service].append(each.pattern)
    return {service: patterns for service, patterns in sorted(found.items()) if patterns}


def _resources(service: ServiceInfo) -> dict[str, list[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for resource in (resource for instance in service.instances for resource in instance.resources):
        found[resource.name].update(resource.ops)
    return {name: sorted(ops) for name, ops in sorted(found.items())}


def _unique_keys(events: Sequence[str]) -> dict[str, str]:
    """Return for each event the name of its channel, which may have no colon, so that no two have the same."""
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for event in events:
        plain = key = event.replace(":", ".")
        number = 1
        while key in taken:
            number += 1
            key = f"{plain}.-{number}"
        taken.add(key)
        keys[event] = key
    return keys
