"""The twin of `ipc.stores.resources.Resources`, in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ipc.stores.registry import TTL_S
from ipc.stores.resources import Claim, Ownership


@dataclass(slots=True)
class _Owned:
    service: str
    claimed_ms: int
    heir: str = ""
    claims: dict[str, tuple[int, Claim]] = field(default_factory=dict)


class MemoryResources:
    """The resources of one test.

    Args:
        now_ms: the date in Unix milliseconds.
        ttl_s: how long a claim holds that is not renewed.

    """

    def __init__(self, now_ms: Callable[[], int], *, ttl_s: float = TTL_S) -> None:
        self._now_ms = now_ms
        self._ttl_ms = int(ttl_s * 1000)
        self._owned: dict[str, _Owned] = {}

    async def claim(self, resource: str, service: str, claim: Claim) -> str:
        """Claim a resource for an instance, or renew its claim, and return the service that has it now."""
        owned = self._found(resource)
        if owned is None or (owned.service != service and (owned.heir == service or not self._live(owned))):
            owned = self._owned[resource] = _Owned(service, self._now_ms())
        if owned.service == service:
            owned.claimed_ms = self._now_ms()
            owned.claims[claim.instance] = self._now_ms(), claim
        return owned.service

    async def release(self, resource: str, claim: Claim) -> bool:
        """Take a claim back, and tell whether it was there; one of another session of the instance stays."""
        owned = self._found(resource)
        found = owned.claims.get(claim.instance) if owned is not None else None
        if owned is None or found is None or found[1].session != claim.session:
            return False
        del owned.claims[claim.instance]
        return True

    async def hand_over(self, resource: str, service: str, heir: str) -> str:
        """Let another service claim a resource, and return the service that has it, "" for none."""
        owned = self._found(resource)
        if owned is None:
            return ""
        if owned.service == service:
            owned.heir = heir
        return owned.service

    async def owners(self, resource: str) -> Ownership:
        """Return who serves a resource."""
        owned = self._found(resource)
        if owned is None:
            return Ownership()
        return Ownership(service=owned.service, claims=tuple(self._live(owned)))

    def _found(self, resource: str) -> _Owned | None:
        """Return who has a resource, unless that was not claimed for so long that Redis has dropped it."""
        owned = self._owned.get(resource)
        return owned if owned is not None and owned.claimed_ms > self._now_ms() - self._ttl_ms else None

    def _live(self, owned: _Owned) -> list[Claim]:
        oldest_ms = self._now_ms() - self._ttl_ms
        return [claim for claimed_ms, claim in owned.claims.values() if claimed_ms > oldest_ms]
