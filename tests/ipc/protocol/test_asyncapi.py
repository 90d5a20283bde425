"""The catalogue as a document of AsyncAPI: what is in it, that it is always the same, and that its parser takes it."""

import json
import random
from typing import Any, Literal

import msgspec
import pytest

from ipc.protocol.asyncapi import asyncapi_document
from ipc.protocol.asyncapi_messages import as_json
from ipc.protocol.declarations import Declaration, DeclaredEvent, Drift
from ipc.protocol.discovery import GroupHearing, InstanceInfo, ServedResource, ServiceInfo
from tests.asyncapi_parser import faults


class Media(msgspec.Struct):
    url: str
    kind: Literal["image", "video"]
    thumbnail: "Media | None" = None


class Post(msgspec.Struct):
    id: str
    media: list[Media] = []


def instance(number: int = 1, **members: Any) -> InstanceInfo:
    usual: dict[str, Any] = {"resources": [], "emits": [], "hears": [], "groups": []}
    return InstanceInfo(
        instance=f"i{number}",
        version="1",
        pid=number,
        hostname="h",
        door="test",
        hub="H",
        registered_ms=1,
        last_seen_ms=2,
        last_activity_ms=2,
        **{**usual, **members},
    )


def service(name: str, *instances: InstanceInfo) -> ServiceInfo:
    return ServiceInfo(
        name=f"exprsn-{name}",
        namespace=f"/ipc/{name}",
        registered_ms=1,
        last_seen_ms=2,
        instance_count=len(instances),
        instances=list(instances),
        endpoints=[],
        owners=[],
    )


def declared(service: str, event: str, schema: dict[str, Any] | None = None, **members: Any) -> DeclaredEvent:
    drift = members.pop("drift", Drift())
    return DeclaredEvent(
        service=f"exprsn-{service}",
        declaration=Declaration(event=event, schema=schema if schema is not None else {"type": "object"}, **members),
        declared_ms=1,
        drift=drift,
    )


def document(services: list[ServiceInfo], events: list[DeclaredEvent] | None = None) -> Any:
    return json.loads(as_json(asyncapi_document(services, events or [], bridge="bridge.example:3010", version="1.2.3")))


MESH = [
    service(
        "timeline",
        instance(1, emits=["post:created"], resources=[ServedResource(name="posts", ops=("read", "create"))]),
        instance(2, emits=["post:deleted"], hears=["user:updated"]),
    ),
    service(
        "herald",
        instance(3, hears=["post:*"], emits=["post:created"], groups=[GroupHearing(group="mail", events=["post:*"])]),
    ),
    service("spark", instance(4, hears=["nobody:*"])),
]
DECLARED = [
    declared(
        "timeline",
        "post:created",
        msgspec.json.schema(Post),
        description="A post.",
        examples=[{"id": "7", "media": [{"url": "u", "kind": "image"}]}],
        drift=Drift(checked=9, drifted=2, last_error="no", last_pointer="/id", last_ms=5),
    ),
    declared("vault", "backup:finished"),
]


def test_who_emits_and_who_hears_an_event_is_an_operation_each() -> None:
    found = document(MESH, DECLARED)
    assert (found["asyncapi"], found["info"]["version"]) == ("3.0.0", "1.2.3")
    assert sorted(found["operations"]) == [
        "herald.receive.post.created",
        "herald.receive.post.deleted",
        "herald.send.post.created",
        "timeline.posts.create",
        "timeline.posts.read",
        "timeline.receive.user.updated",
        "timeline.send.post.created",
        "timeline.send.post.deleted",
        "vault.send.backup.finished",
    ]
    heard = found["operations"]["herald.receive.post.created"]
    assert (heard["action"], heard["channel"]) == ("receive", {"$ref": "#/channels/post.created"})
    assert heard["x-subscriptions"] == [{"pattern": "post:*"}, {"pattern": "post:*", "group": "mail"}]
    assert found["channels"]["post.created"]["address"] == "post:created"
    assert found["servers"]["bridge"]["host"] == "bridge.example:3010"
    assert found["x-hears-nothing-yet"] == {"exprsn-spark": ["nobody:*"]}


def test_each_service_has_the_message_that_it_has_declared() -> None:
    """Who hears the event gets one of all of them."""
    found = document(MESH, DECLARED)
    messages = found["channels"]["post.created"]["messages"]
    assert sorted(messages) == ["post.created", "post.created.of-timeline"]
    (sent,) = found["operations"]["timeline.send.post.created"]["messages"]
    assert sent == {"$ref": "#/channels/post.created/messages/post.created.of-timeline"}
    assert len(found["operations"]["herald.receive.post.created"]["messages"]) == 2
    message = found["components"]["messages"]["post.created.of-timeline"]
    assert (message["summary"], message["x-declared-by"]) == ("A post.", "exprsn-timeline")
    assert message["examples"][0]["payload"]["id"] == "7"
    assert message["x-drift"] == {
        "isChecked": True,
        "checked": 9,
        "drifted": 2,
        "lastError": "no",
        "lastPointer": "/id",
        "lastAt": 5,
    }


def test_references_of_a_schema_lead_to_where_it_is() -> None:
    schema = document(MESH, DECLARED)["components"]["schemas"]["post.created.of-timeline"]
    assert schema["$ref"] == "#/components/schemas/post.created.of-timeline/$defs/Post"
    media = schema["$defs"]["Post"]["properties"]["media"]["items"]
    assert media["$ref"] == "#/components/schemas/post.created.of-timeline/$defs/Media"


def test_a_call_has_its_reply() -> None:
    found = document(MESH)
    read = found["operations"]["timeline.posts.read"]
    assert read["messages"] == [{"$ref": "#/channels/resource-posts/messages/call-posts-read"}]
    assert read["reply"] == {
        "channel": {"$ref": "#/channels/resource-posts"},
        "messages": [{"$ref": "#/channels/resource-posts/messages/call-reply"}],
    }


def test_events_that_differ_by_their_colons_have_channels_of_their_own() -> None:
    names = ["a:b.c", "a.b:c", "a:b:c"]
    found = document([service("herald", instance(emits=names))])
    assert sorted(each["address"] for each in found["channels"].values()) == sorted(names)


def test_the_same_mesh_gives_the_same_document() -> None:
    """In whatever order Redis tells it."""
    expected = as_json(asyncapi_document(MESH, DECLARED, bridge="b", version="1"))
    dice = random.Random(7)  # noqa: S311 - shuffles, no secret
    for _ in range(20):
        shuffled = [
            msgspec.structs.replace(each, instances=dice.sample(each.instances, len(each.instances))) for each in MESH
        ]
        dice.shuffle(shuffled)
        events = dice.sample(DECLARED, len(DECLARED))
        assert as_json(asyncapi_document(shuffled, events, bridge="b", version="1")) == expected


@pytest.mark.parametrize(
    ("services", "events"),
    [
        ([], []),
        (MESH, DECLARED),
        (MESH, []),
        ([], [declared("herald", "a:b", {"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"n": {"$ref": "#"}}}}})]),
        (
            [],
            [
                declared(
                    "herald", "a:b", {"$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{}]}
                )
            ],
        ),
    ],
    ids=["nothing", "a mesh", "nothing declared", "a schema that contains itself", "a schema of 2020-12"],
)
def test_the_parser_of_asyncapi_finds_no_fault(services: list[ServiceInfo], events: list[DeclaredEvent]) -> None:
    assert faults(as_json(asyncapi_document(services, events, bridge="localhost:3010", version="1"))) == []


def test_the_parser_of_asyncapi_would_find_one() -> None:
    found = document(MESH, DECLARED)
    found["operations"]["timeline.send.post.created"]["channel"] = {"$ref": "#/channels/none"}
    assert faults(json.dumps(found))
