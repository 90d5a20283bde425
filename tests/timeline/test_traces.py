"""One trace from the request that creates a post to the service that hears of it, over the outbox, as one tree."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.test import Client

from ipc import EventContext, IPCWorker
from ipc.django_app.relay import Relay
from ipc.hub.mesh import Mesh
from ipc.transports.local import LocalTransport
from tests.database import in_thread
from tests.ipc.tracing.recorded import recording

pytestmark = pytest.mark.django_db(transaction=True)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DEADLINE_S = 20


@pytest.fixture
async def mesh(redis_url: str) -> AsyncIterator[Mesh]:
    mesh = await Mesh(redis_url, announces=False).start()
    yield mesh
    await mesh.stop()


async def started(worker: IPCWorker, mesh: Mesh) -> IPCWorker:
    await worker.start(LocalTransport(mesh.hub, worker.service))
    async with asyncio.timeout(DEADLINE_S):
        await worker.ready()
    return worker


async def test_a_post_is_one_trace_to_whoever_hears_of_it(api: Client, mesh: Mesh) -> None:
    herald, heard = IPCWorker("herald"), asyncio.Queue[EventContext]()

    @herald.on("post:created")
    async def notify(post: dict[str, Any], ctx: EventContext) -> None:
        await herald.emit("notification:sent", target="timeline")
        heard.put_nowait(ctx)

    await started(herald, mesh)
    timeline = await started(IPCWorker("timeline"), mesh)
    relay = Relay(timeline.emit)
    body, headers = {"content": "hello"}, {"traceparent": TRACE}
    with recording() as recorded:
        response = await in_thread(
            lambda: api.post("/api/posts", body, content_type="application/json", headers=headers)
        )
        assert response.status_code == 201, response.content
        await relay.drain()
        async with asyncio.timeout(DEADLINE_S):
            ctx = await heard.get()
        for worker in (herald, timeline):
            await worker.stop()
    await relay.aclose()
    assert (ctx.traceparent or "")[:36] == TRACE[:36]
    assert recorded.traces == {TRACE[3:35]}
    assert {name: recorded.parent(name) for name in recorded.spans} == {
        "POST /api/posts": None,
        "create post:created": "POST /api/posts",
        "send post:created": "create post:created",
        "process post:created": "send post:created",
        "send notification:sent": "process post:created",
    }
    request = recorded.spans["POST /api/posts"]
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == TRACE[36:52]
    assert (request.attributes or {})["http.response.status_code"] == 201
