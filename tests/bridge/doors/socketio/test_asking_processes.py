"""What a service asks of the mesh by the door: long operations, declarations, and how things stand."""

from typing import Any

import pytest

from tests.node import NodeSockets
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
uvicorn = pytest.mark.parametrize("bridge", ["uvicorn"], indirect=True)
QUIET: dict[str, Any] = {"auth": {"subscribe": []}}


async def begun(node: NodeSockets, socket: str, **members: Any) -> str:
    """Begin an operation and return its id."""
    answer = await node.ask(socket, "ipc:operation", {"op": "begin", "name": "import", **members})
    assert answer["success"], answer
    (operation,) = answer["operations"]
    assert operation["status"] == "running"
    assert {"begunMs", "updatedMs"} < set(operation)
    found: str = operation["id"]
    return found


@uvicorn
async def test_an_operation_says_how_far_it_is_and_ends(bridge: ServerProcess, node: NodeSockets) -> None:
    """Its target hears of it by the same door."""
    await node.connect("a", bridge, "/ipc/filevault", options=QUIET)
    await node.connect("b", bridge, "/ipc/gallery", options={"auth": {"subscribe": ["operation:*"]}})
    operation = await begun(node, "a", target="gallery", total=8)
    said = {"op": "progress", "operation": operation, "done": 2, "text": "row 2"}
    (info,) = (await node.ask("a", "ipc:operation", said))["operations"]
    assert (info["percent"], info["text"]) == (25.0, "row 2")
    (info,) = (await node.ask("a", "ipc:operation", {"op": "end", "operation": operation}))["operations"]
    assert (info["status"], info["done"]) == ("done", 8)
    payload, about = await node.hear("b", "operation:done")
    assert (payload["operation"], about["source"]) == (operation, "exprsn-filevault")
    listed = await node.ask("a", "ipc:operation", {"op": "list"})
    assert operation in [each["id"] for each in listed["operations"]]
    again = await node.ask("a", "ipc:operation", {"op": "end", "operation": operation})
    assert (again["error"], again["retryable"]) == ("CONFLICT", False)


@uvicorn
async def test_who_is_at_an_operation_is_told_that_it_is_cancelled(bridge: ServerProcess, node: NodeSockets) -> None:
    """Also where it was begun by a session before, which is told of how far it is."""
    await node.connect("a", bridge, "/ipc/filevault", options=QUIET)
    await node.connect("b", bridge, "/ipc/filevault", options=QUIET)
    first, second = await begun(node, "a"), await begun(node, "a")
    await node.ask("b", "ipc:operation", {"op": "progress", "operation": second, "done": 1})
    for operation, socket in ((first, "a"), (second, "b")):
        (info,) = (await node.ask("b", "ipc:operation", {"op": "cancel", "operation": operation}))["operations"]
        assert info["status"] == "cancelled"
        assert (await node.hear(socket, "ipc:notice"))[0] == {"notice": "cancelled", "operation": operation}
        ended = await node.ask("a", "ipc:operation", {"op": "end", "operation": operation})
        assert (ended["success"], ended["error"]) == (False, "CANCELLED")


@uvicorn
async def test_what_is_wrong_with_an_operation_or_a_declaration_is_said(
    bridge: ServerProcess, node: NodeSockets
) -> None:
    await node.connect("a", bridge, "/ipc/filevault", options=QUIET)
    operation = await begun(node, "a")
    shape = {"event": "file:kept", "schema": {"type": "object"}}
    wrong: list[tuple[str, Any, str]] = [
        ("ipc:operation", {}, "INVALID_MESSAGE"),
        ("ipc:operation", {"op": "stop", "operation": operation}, "INVALID_MESSAGE"),
        ("ipc:operation", {"op": "begin", "name": ""}, "INVALID_MESSAGE"),
        ("ipc:operation", {"op": "begin", "name": "a", "total": 0}, "INVALID_MESSAGE"),
        ("ipc:operation", {"op": "begin", "name": "a", "target": "nobody"}, "UNKNOWN_SERVICE"),
        ("ipc:operation", {"op": "progress", "operation": operation, "done": 101}, "INVALID_MESSAGE"),
        ("ipc:operation", {"op": "progress", "operation": operation, "text": "x" * 501}, "INVALID_MESSAGE"),
        ("ipc:operation", {"op": "progress", "operation": ["a"]}, "INVALID_MESSAGE"),
        ("ipc:operation", {"op": "progress", "id": operation}, "NOT_FOUND"),
        ("ipc:operation", {"op": "cancel", "operation": "nobody's"}, "NOT_FOUND"),
        ("ipc:declare", {}, "INVALID_MESSAGE"),
        ("ipc:declare", {"events": []}, "INVALID_MESSAGE"),
        ("ipc:declare", {"events": [{**shape, "event": "nonsense"}]}, "INVALID_EVENT"),
        ("ipc:declare", {"events": [{**shape, "schema": {"$ref": "https://example.com/"}}]}, "INVALID_DATA"),
        ("ipc:declare", {"events": [{**shape, "description": "x" * 1_001}]}, "INVALID_MESSAGE"),
        ("ipc:declare", {"events": [{**shape, "examples": ["x" * 17_000]}]}, "DATA_TOO_LARGE"),
    ]
    for event, argument, code in wrong:
        answer = await node.ask("a", event, argument)
        assert (answer["success"], answer["error"]) == (False, code), (event, argument, answer)
    assert (await node.ask("a", "ipc:operation", {"op": "end", "operation": operation}))["success"]


@uvicorn
async def test_what_is_declared_is_among_what_the_service_is_known_by(bridge: ServerProcess, node: NodeSockets) -> None:
    await node.connect("a", bridge, "/ipc/filevault", options=QUIET)
    shape = {"type": "object", "properties": {"pageCount": {"type": "integer"}}, "required": ["pageCount"]}
    declared = {"event": "file:stored", "schema": shape, "description": "A file.", "examples": [{"pageCount": 3}]}
    assert (await node.ask("a", "ipc:declare", {"events": [declared]}))["success"]
    found = await node.ask("a", "ipc:services", {"service": "filevault"})
    assert found["hasMore"] is False
    (service,) = found["services"]
    stored = next(each for each in service["declares"] if each["event"] == "file:stored")
    assert (stored["isChecked"], stored["drift"]["checked"]) == (True, 0)
    kept = await node.ask("a", "ipc:emit", {"event": "file:stored", "payload": {"pageCount": 1}, "target": "gallery"})
    place = {"event": kept["id"], "log": "exprsn-gallery", "position": kept["position"]}
    status = (await node.ask("a", "ipc:status", place))["status"]
    assert (status["event"], status["source"]) == ("file:stored", "exprsn-filevault")
    assert status["logs"] == [{"log": "exprsn-gallery", "position": kept["position"], "inLog": True}]
    asked = {"event": "file:stored", "data": {"pageCount": 1}, "target": "gallery"}
    explained = (await node.ask("a", "ipc:explain", asked))["explanation"]
    assert (explained["target"], explained["refused"]) == (["exprsn-gallery"], None)
