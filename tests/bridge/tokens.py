"""A bridge that lets nobody in without a token, and tokens for it, good and bad."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import Redis

from ipc.protocol.ids import new_ulid
from ipc.protocol.permissions import USUAL
from ipc.protocol.services import full_name
from ipc.protocol.tokens import DEVELOPMENT, Claims, TokenKeys
from ipc.stores.audit import Audit
from ipc.stores.connection import connect
from ipc.stores.token_records import TokenRecords
from ipc.stores.tokens import BrokerTokenManager, Minted

NEW_KEY = "the newest key of these tests 0123456789"
OLD_KEY = "the oldest key of these tests 9876543210"
LOCKED = {"IPC_BYPASS_AUTH": "false", "IPC_BROKER_KEY": f"{NEW_KEY},{OLD_KEY}", "LOG_LEVEL": "DEBUG"}

T = TypeVar("T")


async def managed(
    redis_url: str, do: Callable[[BrokerTokenManager], Awaitable[T]], *, key: str = NEW_KEY, **options: Any
) -> T:
    """Do something with a manager on the Redis of a bridge."""
    client: Redis = connect(redis_url)
    try:
        options.setdefault("is_development", True)
        return await do(BrokerTokenManager(TokenRecords(client), TokenKeys.of(key), Audit(client), **options))
    finally:
        await client.aclose()


async def minted(redis_url: str, service: str = "herald", *, key: str = NEW_KEY, **options: Any) -> Minted:
    """Return a token, by default one that is good for everything that services do."""
    said = {"permissions": USUAL, "by": "test", **options}
    return await managed(redis_url, lambda manager: manager.mint(service, **said), key=key)


def signed(service: str, *permissions: str) -> str:
    """Return a token made this moment, of which no Redis was told."""
    now_s = time.time()
    name = full_name(service)
    claims = Claims(id=new_ulid(), source=name, iat=now_s, exp=now_s + 60, permissions=permissions, env=DEVELOPMENT)
    return TokenKeys.of(NEW_KEY).sign(claims)


def bearer(token: str) -> dict[str, Any]:
    """Return the options of a connection that shows a token."""
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def encoded(value: Any) -> str:
    """Return a part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
