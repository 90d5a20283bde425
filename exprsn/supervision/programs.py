"""The programs of a development machine: Valkey, the bridge, Timeline and the four sample services."""

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from exprsn.embedded import ValkeyHome
from exprsn.supervision import health
from exprsn.supervision.child import Program

SAMPLES: Final = ("herald", "moderator", "prefetch", "spark")
# A sample is a service as a stranger would write it: it reaches the bridge and nothing else of the system.
_NOT_FOR_SAMPLES: Final = ("REDIS_URL", "DATABASE_URL", "SECRET_KEY", "IPC_BROKER_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things are: ports on localhost, files, and the Redis that everything meets in."""

    root: Path
    certs_dir: Path
    bridge_port: int
    timeline_port: int
    timeline_redirect_port: int
    redis_url: str

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, all that a client needs."""
        return self.certs_dir / "ca-cert.pem"

    @property
    def bridge_url(self) -> str:
        """Where the bridge answers HTTPS."""
        return f"https://localhost:{self.bridge_port}"

    @property
    def bridge_ws_url(self) -> str:
        """Where services attach."""
        return f"wss://localhost:{self.bridge_port}"

    @property
    def timeline_url(self) -> str:
        """Where Timeline answers HTTPS."""
        return f"https://localhost:{self.timeline_port}"


def valkey(home: ValkeyHome, environment: Mapping[str, str]) -> Program:
    """Return the embedded Valkey, ready once it has loaded its data."""

    async def is_ready() -> bool:
        return await asyncio.to_thread(home.answers)

    return Program(
        name="valkey",
        command=home.command,
        environment=environment,
        is_ready=is_ready,
        inherit=(home.lock_descriptor,),
        # True of most machines, and of no account for what one developer keeps.
        hides=b"WARNING Memory overcommit must be enabled",
    )


def bridge(layout: Layout, client: httpx.AsyncClient, environment: Mapping[str, str]) -> Program:
    """Return the bridge, ready once it says that it is healthy."""

    async def is_ready() -> bool:
        return await health.is_healthy(client, layout.bridge_url)

    return Program(
        name="bridge",
        command=_manage(layout, "runserver", "--noreload"),
        environment=_server_environment(layout, environment, "bridge"),
        is_ready=is_ready,
    )


def timeline(layout: Layout, client: httpx.AsyncClient, environment: Mapping[str, str]) -> Program:
    """Return Timeline, ready once it says that it is healthy and hears the mesh."""
    since_ms = _now_ms()

    async def is_ready() -> bool:
        return await health.is_healthy(client, layout.timeline_url) and await health.is_attached(
            client, layout.bridge_url, "exprsn-timeline", since_ms=since_ms
        )

    return Program(
        name="timeline",
        command=_manage(layout, "runserver", "--service", "timeline", "--noreload"),
        environment=_server_environment(layout, environment, "timeline"),
        is_ready=is_ready,
    )


def sample(name: str, layout: Layout, client: httpx.AsyncClient, environment: Mapping[str, str]) -> Program:
    """Return one of the sample services, ready once the bridge counts it as attached."""
    since_ms = _now_ms()

    async def is_ready() -> bool:
        return await health.is_attached(client, layout.bridge_url, f"exprsn-{name}", since_ms=since_ms)

    return Program(
        name=name,
        command=(sys.executable, "-m", f"samples.{name}"),
        environment=_sample_environment(name, layout, environment),
        is_ready=is_ready,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _manage(layout: Layout, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(layout.root / "manage.py"), *arguments)


def _server_environment(layout: Layout, environment: Mapping[str, str], service: str) -> dict[str, str]:
    # Without BRIDGE_URL, which would win: both servers are in the mesh themselves.
    return {
        **{name: value for name, value in environment.items() if name != "BRIDGE_URL"},
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(layout.root),
        "REDIS_URL": layout.redis_url,
        "EXPRSN_SERVICE": service,
    }


def _sample_environment(name: str, layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    own = {
        **{name: value for name, value in environment.items() if name not in _NOT_FOR_SAMPLES},
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(layout.root),
        "BRIDGE_URL": layout.bridge_ws_url,
        "CERTS_DIR": str(layout.certs_dir),
        "IPC_CA_FILE": str(layout.ca_file),
    }
    if name == "prefetch":
        # The only one that keeps its data in Redis, as the database of its own that it would have in production.
        own["PREFETCH_REDIS_URL"] = layout.redis_url
    return own
