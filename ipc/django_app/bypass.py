"""The development bypass: whether it is on, who may use it, and what is written down of its use."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Literal

from ipc.django_app.conf import conf, is_loopback
from ipc.django_app.runtime import current_runtime
from ipc.protocol.errors import IPCError
from ipc.stores.audit import Audit
from ipc.stores.connection import connect

logger = logging.getLogger(__name__)

HEADERS: Final = ("X-Broker-Token", "X-IPC-Request")
WRITTEN_EVERY_S: Final = 60
Kind = Literal["http", "socket"]
_OF_PROXIES: Final = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"}
)
_OF_PROXIES_TOO: Final = ("x-forwarded-", "x-original-", "x-envoy-")


def is_bypass_on() -> bool:
    """Tell whether requests may ask for it: on a development machine that only listens to itself."""
    return conf.in_development and conf.dev_bypass and is_loopback(conf.bind_host)


def bypass_status() -> str:
    """Return what a development machine says of it at start."""
    if not is_bypass_on():
        return "development bypass is off: every request and every socket needs a proof"
    # Only a service without a worker, the bridge, has doors for sockets.
    has_open_doors = conf.ipc_bypass_auth and conf.worker_path is None
    sockets = ", and sockets are let in without a token" if has_open_doors else ""
    return f"development bypass is on: {' or '.join(HEADERS)}: true makes a request dev-user's{sockets}"


def problem_of(peer: str, header_names: Iterable[str], values: Iterable[str] = ()) -> str | None:
    """Return why somebody may not use it, or None where nothing is wrong.

    Args:
        peer: the address that the connection comes from. A server that was started by hand may listen wider than
            ``BIND_HOST`` says.
        header_names: of all headers. A proxy on this machine has its address, whoever it speaks for.
        values: of the headers that ask for it.

    """
    if not is_loopback(peer):
        return "it is only for this machine"
    names = {name.lower() for name in header_names}
    if not names.isdisjoint(_OF_PROXIES) or any(name.startswith(_OF_PROXIES_TOO) for name in names):
        return "it came through a proxy, so it may be from anywhere"
    # A header that is there twice has both values, divided by a comma.
    if not all(value.strip().lower() == "true" for value in values):
        return f"{' and '.join(HEADERS)}, where they are there, say true, once"
    return None


class BypassUses:
    """How often the bypass was used in this process; the audit trail has one use a minute of each kind and service.

    Args:
        monotonic: seconds that only grow.

    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.count: Counter[Kind] = Counter()
        self._lock = threading.Lock()
        self._written_at: dict[tuple[Kind, str], float] = {}

    def add(self, kind: Kind, service: str, *, by: str) -> None:
        """Count a use, from any thread; ``service`` is whose request it is, or what a socket was let in as."""
        now = self._monotonic()
        runtime = current_runtime()
        if runtime is not None:
            runtime.count_bypass(kind)
        with self._lock:
            self.count[kind] += 1
            if now - self._written_at.get((kind, service), -WRITTEN_EVERY_S) < WRITTEN_EVERY_S:
                return
            self._written_at[kind, service] = now
        if runtime is not None:
            runtime.do_beside(lambda: _write(kind, service, by), "audit of the bypass")


async def _write(kind: Kind, service: str, by: str) -> None:
    # On a connection of its own: the hub's, which are kept, are for its work.
    redis = connect(conf.redis_url, max_connections=1)
    try:
        # Once over all processes, too.
        await Audit(redis).write_once_a_minute(
            "bypass.used", by=by, subject=service, details={"kind": kind}, apart=kind
        )
    except IPCError as error:
        logger.warning("a use of the development bypass is not in the audit trail: %s", error)
    finally:
        await redis.aclose()


bypass_uses: Final = BypassUses()
