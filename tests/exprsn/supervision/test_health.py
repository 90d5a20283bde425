"""Asking how services are: also at a bridge that lets nobody in without a token."""

import asyncio
from pathlib import Path

import pytest
from pytest_django import Settings

from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.health import https_client, is_attached, is_healthy
from tests import servers
from tests.bridge.tokens import LOCKED, bearer, minted
from tests.clients import DEADLINE_S, attached

pytestmark = pytest.mark.processes


async def test_a_locked_bridge_tells_who_is_attached(
    own_valkey: EmbeddedValkey, tmp_path: Path, settings: Settings
) -> None:
    """``make run`` does so with DEV_BYPASS=false: it has the key of the bridge, and shows a token of this moment."""
    certs_dir = servers.certificates(tmp_path / "certs")
    with servers.bridge("uvicorn", own_valkey.url, certs_dir, tmp_path, **LOCKED, DEV_BYPASS="false") as bridge:
        token = (await minted(own_valkey.url, "herald")).token
        async with https_client(certs_dir) as client, attached(bridge, "herald", **bearer(token)):
            assert await is_healthy(client, bridge.url)
            settings.IPC_BROKER_KEY = "a key of another machine 0123456789abc"
            assert not await is_attached(client, bridge.url, "exprsn-herald", since_ms=0)
            settings.IPC_BROKER_KEY = LOCKED["IPC_BROKER_KEY"]
            async with asyncio.timeout(DEADLINE_S):
                while not await is_attached(client, bridge.url, "exprsn-herald", since_ms=0):
                    pass
            assert not await is_attached(client, bridge.url, "exprsn-spark", since_ms=0)
            assert not await is_attached(client, bridge.url, "exprsn-herald", since_ms=2**53)
