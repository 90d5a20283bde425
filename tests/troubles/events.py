"""Events that are refused, or missed."""

import asyncio
from typing import Any

from ipc import IPCWorker
from tests import servers
from tests.ports import free_port
from tests.scene import OPERATOR, Scene
from tests.troubles.told import first_error, said_of


async def emitted(scene: Scene, **event: Any) -> str:
    return await said_of(scene.ask("POST", "/api/ipc/emit?service=svr", body={"target": "svr", **event}))


async def too_many(scene: Scene) -> str:
    """Two lists of half a thousand are too much; the service is nobody else's here."""
    events = [{"event": "load:sent", "target": "live"}] * 512
    assert (await scene.ask("POST", "/api/ipc/emit?service=live", body=events))["success"]
    return await said_of(scene.ask("POST", "/api/ipc/emit?service=live", body=events))


async def missed(scene: Scene) -> str:
    """Resume from a position that the log has not."""
    worker = IPCWorker("svr")

    @worker.on("stock:*")
    async def heard(_data: object, _ctx: object) -> None:
        """Nothing comes."""

    return await first_error(scene, worker, since={"broadcast": "9999999999999-0"})


async def redis_away(scene: Scene) -> str:
    """A bridge of its own, whose Redis does not answer."""
    var_dir = scene.folder / "bridge-without-redis"
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    with servers.bridge("uvicorn", nowhere, scene.certs_dir, var_dir) as bridge:
        assert bridge.health() == 503
        answer = await asyncio.to_thread(
            bridge.request, "POST", "/api/ipc/emit?service=svr", headers=OPERATOR, json={"event": "stock:low"}
        )
    return f"{answer.json()['error']}: {answer.json()['message']}"
