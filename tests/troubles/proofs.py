"""Proofs that prove nothing."""

import asyncio
import json
import time
from typing import Final

from websockets.asyncio.client import connect

from certs.tls import client_context
from ipc.protocol.ids import new_ulid
from ipc.protocol.permissions import USUAL
from ipc.protocol.services import full_name
from ipc.protocol.tokens import DEVELOPMENT, Claims, TokenKeys
from tests.bridge.tokens import NEW_KEY, managed
from tests.scene import Scene
from tests.troubles.told import said_of

TIMEOUT_S: Final = 20.0


async def nobody(scene: Scene) -> str:
    return await said_of(scene.ask("GET", "/api/ipc/groups", {}))


async def shown(scene: Scene, token: str) -> str:
    """Show a token at the namespace of svr, and return what it is refused with."""
    trust, headers = client_context(scene.ca_file), {"Authorization": f"Bearer {token}"}
    async with connect(f"{scene.socket_url}/ipc/svr", ssl=trust, proxy=None, additional_headers=headers) as socket:
        said = json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
    return f"{said['code']}: {said['message']}"


def signed(key: str, *, from_s: float, until_s: float) -> str:
    now_s = time.time()
    claims = Claims(
        id=new_ulid(),
        source=full_name("svr"),
        iat=now_s + from_s,
        exp=now_s + until_s,
        permissions=USUAL,
        env=DEVELOPMENT,
    )
    return TokenKeys.of(key).sign(claims)


async def minted(scene: Scene, service: str, *, is_revoked: bool = False, permissions: tuple[str, ...] = USUAL) -> str:
    """Return a token of the system's own."""
    key = scene.secret("broker_key")
    made = await managed(
        scene.redis_url, lambda manager: manager.mint(service, permissions=permissions, by="test"), key=key
    )
    if is_revoked:
        await managed(scene.redis_url, lambda manager: manager.revoke(made.claims.id, by="test"), key=key)
    return made.token


async def token_expired(scene: Scene) -> str:
    return await shown(scene, signed(scene.secret("broker_key"), from_s=-9, until_s=-1))


async def token_of_another_mesh(scene: Scene) -> str:
    return await shown(scene, signed(NEW_KEY, from_s=0, until_s=60))


async def token_of_another_service(scene: Scene) -> str:
    return await shown(scene, await minted(scene, "atlas"))


async def token_revoked(scene: Scene) -> str:
    return await shown(scene, await minted(scene, "svr", is_revoked=True))


async def not_permitted(scene: Scene) -> str:
    headers = {"Authorization": f"Bearer {await minted(scene, 'svr', permissions=('emit:stock:*',))}"}
    return await said_of(scene.ask("POST", "/api/ipc/emit", headers, {"event": "post:created"}))
