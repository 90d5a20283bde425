"""Who serves which resource: one hash for each resource, with a claim for each instance that answers calls to it."""

from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec
from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.connection import Script, execute, run_script, translated_errors
from ipc.stores.registry import TTL_S


def _script(name: str) -> Script:
    return Script(resources.files("ipc.stores").joinpath(f"scripts/{name}.lua").read_text())


_CLAIM: Final = _script("claim_resource")
_RELEASE: Final = _script("release_resource")
_HAND_OVER: Final = _script("hand_over_resource")
_MEMBERS_OF_ITS_OWN: Final = frozenset({"service", "heir"})


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """That an instance answers calls to a resource, and where it can be reached.

    ``address`` is the channel of its hub in the channel layer; ``limit`` bounds the calls in flight at the instance.
    """

    instance: str
    session: str
    hub: str
    address: str
    ops: tuple[str, ...]
    limit: int


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """The service that has a resource, and the instances of it that answer; none when nobody serves it."""

    service: str = ""
    claims: tuple[Claim, ...] = ()


class Resources:
    """The resources of one Redis.

    Args:
        redis: the client.
        ttl_s: how long a claim holds that is not renewed.

    """

    def __init__(self, redis: Redis, *, ttl_s: float = TTL_S) -> None:
        self._redis = redis
        self._ttl_ms = int(ttl_s * 1000)

    async def claim(self, resource: str, service: str, claim: Claim) -> str:
        """Claim a resource for an instance, or renew its claim, and return the service that has it now.

        Another service than the one given means that the claim was refused.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        args: list[str | bytes | int] = [service, claim.instance, msgspec.json.encode(claim), self._ttl_ms]
        async with translated_errors(f"claim the resource {resource}"):
            owner: bytes = await run_script(self._redis, _CLAIM, [keys.resource(resource)], args)
        return owner.decode()

    async def release(self, resource: str, claim: Claim) -> bool:
        """Take a claim back, and tell whether it was there; one of another session of the instance stays.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        args = [claim.instance, claim.session]
        async with translated_errors(f"release the resource {resource}"):
            return bool(await run_script(self._redis, _RELEASE, [keys.resource(resource)], args))

    async def hand_over(self, resource: str, service: str, heir: str) -> str:
        """Let another service claim a resource that ``service`` has, and return the service that has it, "" for none.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"hand the resource {resource} over"):
            owner: bytes = await run_script(self._redis, _HAND_OVER, [keys.resource(resource)], [service, heir])
        return owner.decode()

    async def owners(self, resource: str) -> Ownership:
        """Return who serves a resource.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"look for the resource {resource}"):
            time, reply = await execute(self._redis, ("TIME",), ("HGETALL", keys.resource(resource)))
        oldest_ms = int(time[0]) * 1000 - self._ttl_ms
        fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        return Ownership(
            service=fields.get(b"service", b"").decode(),
            claims=_live(
                [value for name, value in fields.items() if name.decode() not in _MEMBERS_OF_ITS_OWN], oldest_ms
            ),
        )


def _live(rows: Sequence[bytes], oldest_ms: int) -> tuple[Claim, ...]:
    found = (row.partition(b" ") for row in rows)
    return tuple(
        msgspec.json.decode(claim, type=Claim) for claimed_ms, _, claim in found if int(claimed_ms) > oldest_ms
    )
