"""Groups and calls over Socket.IO: a Node service shares work with one in Python, owns a resource, and calls others."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ipc import EventContext, IPCWorker
from ipc.resources import CallContext
from ipc.transports.websocket import WebSocketTransport
from tests.clients import attached
from tests.node import NodeSockets
from tests.servers import ServerProcess

pytestmark = [pytest.mark.processes, pytest.mark.parametrize("bridge", ["uvicorn"], indirect=True)]
DEADLINE_S = 30.0
SILENT: dict[str, Any] = {"auth": {"subscribe": []}}
EVENTS = 200
CREDIT = 8
RETRY = {"ackMs": 1_000, "backoffMs": [50, 50, 50, 50, 50]}


async def join(node: NodeSockets, socket: str, group: str, event: str, **members: Any) -> None:
    joined = await node.ask(socket, "ipc:subscribe", {"events": [event], "group": group, "retry": RETRY, **members})
    assert joined["success"], joined


async def test_an_answer_of_a_listener_acknowledges_or_fails_a_delivery(
    bridge: ServerProcess, node: NodeSockets
) -> None:
    """No argument is yes; an error, or what an `Error` becomes as JSON, brings the event again."""
    await node.connect("a", bridge, "/ipc/herald", options=SILENT)
    for event, answer in (
        ("answer:yes", []),
        ("answer:null", [None]),
        ("answer:success", [{"success": True}]),
        ("answer:error", [{"error": "no room", "reject": True}]),
    ):
        await node.do("answer", "a", event=event, args=answer)
    await join(node, "a", "answers", "answer:*")
    async with attached(bridge, "atlas") as emitter:
        became = {}
        for event in ("answer:yes", "answer:null", "answer:success", "answer:error", "answer:text"):
            if event == "answer:text":
                await node.do("answer", "a", event=event, args=["it failed"])
            said = await emitter.ask(type="emit", event=event, data=event, target="herald", ack=True)
            payload, about = await node.hear("a", event)
            assert (payload, about["group"], about["attempt"]) == (event, "answers", 1)
            became[event] = said["id"]
        assert (await node.hear("a", "answer:text"))[1]["attempt"] == 2
        for event, expected in (
            ("answer:yes", "acked"), ("answer:null", "acked"), ("answer:success", "acked"), ("answer:error", "dead"),
        ):  # fmt: skip
            assert await outcome(emitter, became[event], expected), event
    assert "answer:yes" not in [event for event, _ in node.kept("a")]


async def outcome(client: Any, event_id: str, expected: str) -> bool:
    """Wait until the ledger says so of an event."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            status = (await client.ask(type="status", event=event_id))["status"]
            if [group["state"] for group in status["groups"] if group["group"] == "answers"] == [expected]:
                return True
            await asyncio.sleep(0.05)


async def test_a_listener_that_does_not_answer_gets_the_event_again_unless_it_says_that_it_works(
    bridge: ServerProcess, node: NodeSockets
) -> None:
    await node.connect("a", bridge, "/ipc/herald", options=SILENT)
    await join(node, "a", "silent", "silence:*", retry={"ackMs": 300, "backoffMs": [50, 50]})
    async with attached(bridge, "atlas") as emitter:
        await emitter.ask(type="emit", event="silence:kept", data=1, target="herald", ack=True)
        assert (await node.hear("a", "silence:kept"))[1]["attempt"] == 1
        about = (await node.hear("a", "silence:kept"))[1]
        assert about["attempt"] == 2
        assert await node.ask("a", "ipc:progress", {"deliveries": [about["delivery"]]}) == {"success": True}
        assert (await node.ask("a", "ipc:progress", {"deliveries": ["9999999"]}))["error"] == "UNKNOWN_DELIVERY"


async def test_an_answer_that_comes_late_is_not_taken_for_one_to_the_next_session(
    bridge: ServerProcess, node: NodeSockets
) -> None:
    """socket.io-client sends it by the connection that is open then, where the same things have been sent."""
    await node.connect("a", bridge, "/ipc/herald", options=SILENT)
    await node.hear("a", "connect")
    await node.do("keep", "a", event="late:one")
    await join(node, "a", "late", "late:*", retry={"ackMs": 20_000, "backoffMs": [50, 50]})
    async with attached(bridge, "atlas") as emitter:
        await emitter.ask(type="emit", event="late:one", data=1, target="herald", ack=True)
        assert (await node.hear("a", "late:one"))[1]["attempt"] == 1
        await node.do("drop", "a")
        await node.hear("a", "connect")
        await join(node, "a", "late", "late:*", retry={"ackMs": 20_000, "backoffMs": [50, 50]})
        again = (await node.hear("a", "late:one"))[1]
        assert again["attempt"] == 2
        await node.do("answerKept", "a")
        assert await node.ask("a", "ipc:progress", {"deliveries": [again["delivery"]]}) == {"success": True}
        await node.do("answerKept", "a")
        refused = await node.ask("a", "ipc:progress", {"deliveries": [again["delivery"]]})
        assert refused["error"] == "UNKNOWN_DELIVERY"


async def test_a_node_worker_and_a_python_worker_share_a_group_and_nothing_is_lost_when_one_is_killed(
    bridge: ServerProcess, node: NodeSockets, scripts: Path
) -> None:
    handled: Counter[int] = Counter()
    all_done = asyncio.Event()

    def took(number: int) -> None:
        handled[number] += 1
        if len(handled) == EVENTS:
            all_done.set()

    worker = IPCWorker("moderator")

    # An event goes to the member with most credit left: the doomed one gets half of its own before anybody else.
    @worker.on("share:*", group="share", credit=CREDIT)
    async def share(data: Any, _: EventContext) -> None:
        took(data)

    await worker.start(WebSocketTransport(bridge.ws_url, "moderator", ca_file=bridge.ca_file))
    doomed = NodeSockets(scripts, bridge.ca_file)
    try:
        async with doomed:
            for sockets, answers in ((node, True), (doomed, False)):
                await sockets.connect("a", bridge, "/ipc/moderator", options=SILENT)
                if answers:
                    await sockets.do("answer", "a", event="share:one", args=[])
                credit = CREDIT if answers else 2 * CREDIT
                retry = {"ackMs": 20_000, "backoffMs": [50] * 5}
                await join(sockets, "a", "share", "share:*", credit=credit, retry=retry)
            async with attached(bridge, "atlas") as emitter:
                for number in range(EVENTS):
                    await emitter.say({"type": "emit", "event": "share:one", "data": number, "target": "moderator"})
                held = [(await doomed.hear("a", "share:one"))[0] for _ in range(CREDIT)]
                doomed.kill()
                theirs: list[int] = []
                listening = asyncio.create_task(handling(node, theirs, took))
                async with asyncio.timeout(DEADLINE_S):
                    await all_done.wait()
                listening.cancel()
    finally:
        await worker.stop()
    assert set(handled) == set(range(EVENTS))
    assert set(held) <= set(handled)
    assert 0 < len(theirs) < EVENTS


async def handling(node: NodeSockets, theirs: list[int], took: Callable[[int], None]) -> None:
    """Take what the Node worker has handled, until cancelled."""
    while True:
        theirs.append((await node.hear("a", "share:one"))[0])
        took(theirs[-1])


async def test_a_node_socket_owns_a_resource_and_calls_one_in_python(bridge: ServerProcess, node: NodeSockets) -> None:
    worker = IPCWorker("timeline")

    @worker.resource("notes")
    class Notes:
        async def read(self, key: Any, ctx: CallContext) -> Any:
            return {"key": key, "by": ctx.source}

    await worker.start(WebSocketTransport(bridge.ws_url, "timeline", ca_file=bridge.ca_file))
    try:
        await node.connect("a", bridge, "/ipc/filevault", options=SILENT)
        await node.do("answer", "a", event="ipc:call", args=[], echo=True)
        resources = [{"name": "files", "ops": ["read", "publish"], "limit": 8}]
        assert await node.ask("a", "ipc:serve", {"resources": resources}) == {"success": True}
        theirs = await worker.call("files", "publish", key="7", data={"x": 1})
        assert theirs["op"] == "publish"
        assert (theirs["key"], theirs["data"], theirs["source"]) == ("7", {"x": 1}, "exprsn-timeline")
        assert 0 < theirs["deadlineMs"] <= 10_000
        ours = await node.ask("a", "ipc:read", {"resource": "notes", "id": 5, "options": {"timeoutMs": 5_000}})
        assert ours == {"success": True, "data": {"key": 5, "by": "exprsn-filevault"}}
        called = {"op": "read", "resource": "notes", "key": 6, "timeoutMs": 5_000}
        assert (await node.ask("a", "ipc:call", called))["data"]["key"] == 6
        refused = await node.ask("a", "ipc:serve", {"resources": [{"name": "notes", "ops": ["read"]}]})
        assert (refused["success"], refused["error"]) == (False, "RESOURCE_TAKEN")
    finally:
        await worker.stop()


async def test_a_caller_takes_a_call_back(bridge: ServerProcess, node: NodeSockets) -> None:
    """Its callback says so, and its owner is told; a call that there is none of is an error."""
    await node.connect("owner", bridge, "/ipc/atlas", options=SILENT)
    await node.ask("owner", "ipc:serve", {"resources": [{"name": "roads", "ops": ["read"]}]})
    await node.connect("caller", bridge, "/ipc/ca", options=SILENT)
    called = asyncio.create_task(node.ask("caller", "ipc:call", {"op": "read", "resource": "roads", "callId": "c1"}))
    (heard,) = await node.hear("owner", "ipc:call")
    await node.tell("caller", "ipc:cancel", {"callId": "c1"})
    answer = await called
    assert (answer["success"], answer["error"]) == (False, "CANCELLED")
    assert await node.hear("owner", "ipc:cancel") == [{"id": heard["id"]}]
    for wrong, code in (({"callId": "c1"}, "UNKNOWN_CALL"), ({}, "INVALID_MESSAGE")):
        await node.tell("caller", "ipc:cancel", wrong)
        assert (await node.hear("caller", "ipc:error"))[0]["error"] == code


async def test_what_an_owner_answers_wrongly_is_an_error_of_its_own(bridge: ServerProcess, node: NodeSockets) -> None:
    await node.connect("a", bridge, "/ipc/atlas", options=SILENT)
    await node.ask("a", "ipc:serve", {"resources": [{"name": "maps", "ops": ["read"]}]})
    async with attached(bridge, "ca") as caller:
        answers: list[tuple[list[Any], dict[str, Any]]] = [
            ([{"success": False, "error": "MAP_TORN", "message": "torn"}], {"code": "MAP_TORN", "message": "torn"}),
            ([{"success": False, "error": "CONFLICT", "details": {"a": 1}}], {"code": "CONFLICT", "details": {"a": 1}}),
            (["yes"], {"code": "INTERNAL"}),
        ]
        for number, (args, expected) in enumerate(answers):
            await node.connect(f"s{number}", bridge, "/ipc/atlas", options=SILENT)
            await node.do("answer", f"s{number}", event="ipc:call", args=args)
            await node.ask(f"s{number}", "ipc:serve", {"resources": [{"name": f"maps{number}", "ops": ["read"]}]})
            reply = await caller.ask(type="call", op="read", resource=f"maps{number}")
            assert reply["type"] == "reply"
            assert expected.items() <= reply["error"].items()
        call = asyncio.create_task(caller.ask(type="call", id="taken back", op="read", resource="maps"))
        (heard,) = await node.hear("a", "ipc:call")
        await caller.say({"type": "cancel", "id": "taken back"})
        assert (await call)["error"]["code"] == "CANCELLED"
        assert await node.hear("a", "ipc:cancel") == [{"id": heard["id"]}]
