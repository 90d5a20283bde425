"""Real servers answer Prometheus: for who has the token, with what they have counted, once each."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

TOKEN = "t0ken-of-a-monitoring-system-of-some-length"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def certs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return servers.certificates(tmp_path_factory.mktemp("metrics-certs"))


@pytest.fixture
def bridge(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with servers.bridge("uvicorn", own_valkey.url, certs_dir, tmp_path / "b", IPC_METRICS_TOKEN=TOKEN) as server:
        yield server
    assert "Traceback" not in server.output()


@pytest.fixture
def timeline(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with servers.timeline(own_valkey.url, certs_dir, tmp_path / "t", IPC_METRICS_TOKEN=TOKEN) as server:
        yield server
    assert "Traceback" not in server.output()


Values = dict[str, float]


def values_of(response: httpx.Response) -> Values:
    """Return the value of each sample, by its name with its labels."""
    assert response.status_code == 200, response.text
    return {
        f"{sample.name}{dict(sorted(sample.labels.items())) or ''}": sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_only_the_token_opens_them(bridge: ServerProcess) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response = bridge.get("/metrics", headers=headers)
        assert (response.status_code, response.json()["error"]) == (401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"] == 'Bearer realm="exprsn metrics"'
    assert bridge.get(f"/metrics?token={TOKEN}").status_code == 401
    response = bridge.get("/metrics", headers=WITH_TOKEN)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "no-store" in response.headers["cache-control"]
    open_metrics = bridge.get("/metrics", headers={**WITH_TOKEN, "Accept": "application/openmetrics-text"})
    assert open_metrics.text.endswith("# EOF\n")
    assert bridge.request("POST", "/metrics", headers=WITH_TOKEN).status_code == 405


async def read(server: ServerProcess, name: str, value: float) -> Values:
    """Read until a sample has a value."""
    async with asyncio.timeout(20):
        while (values := values_of(await asyncio.to_thread(server.get, "/metrics", headers=WITH_TOKEN))).get(  # noqa: ASYNC110 - nobody tells
            name
        ) != value:
            await asyncio.sleep(0.1)
    return values


async def test_a_process_says_what_it_has_counted_itself(bridge: ServerProcess, timeline: ServerProcess) -> None:
    """Two that are scraped say nothing twice; what is the mesh's they say alike."""
    async with attached(bridge, "herald", "post:*") as client:
        for _ in range(4):
            await client.ask(type="emit", event="post:created", ack=True)
        values = await read(bridge, "ipc_events_appended_total{'source': 'exprsn-herald'}", 4.0)
        others = await read(timeline, "ipc_scrape_part_up{'part': 'redis'}", 1.0)
    assert values["ipc_events_delivered_total{'service': 'exprsn-herald', 'source': 'exprsn-herald'}"] == 4
    assert values["ipc_event_delivery_seconds_count"] == 4
    assert values["ipc_sessions{'service': 'exprsn-herald'}"] == 1
    assert values["ipc_build_info{'service': 'exprsn-bridge', 'version': '0.1.0'}"] == 1
    assert values["process_resident_memory_bytes"] > 0
    assert "ipc_events_appended_total{'source': 'exprsn-herald'}" not in others
    assert others["ipc_sessions{'service': 'exprsn-timeline'}"] == 1
    assert (others["ipc_outbox_backlog"], others["ipc_outbox_parked"]) == (0, 0)
    for found in (values, others):
        assert found["ipc_certificate_not_after_timestamp_seconds{'certificate': 'exprsn-bridge'}"] > 1e9
    assert not [name for name in values if "post:created" in name]


async def test_without_redis_a_process_still_says_how_it_is(bridge: ServerProcess, own_valkey: EmbeddedValkey) -> None:
    await read(bridge, "ipc_scrape_part_up{'part': 'redis'}", 1.0)
    own_valkey.stop()
    values = await read(bridge, "ipc_scrape_part_up{'part': 'redis'}", 0.0)
    assert values["ipc_log_lag_seconds"] == 0
    assert "ipc_redis_memory_used_bytes" not in values
    own_valkey.start()
    await read(bridge, "ipc_scrape_part_up{'part': 'redis'}", 1.0)


def test_the_keys_of_statistics_all_end_by_themselves(bridge: ServerProcess, own_valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        # Somebody has looked, so a second has been written, too.
        parts: set[bytes] = set()
        give_up_at = time.monotonic() + 20
        while parts != {b"totals", b"details", b"sample"}:
            assert time.monotonic() < give_up_at, parts
            parts = {key.split(b":")[3] for key in client.scan_iter("ipc:stats:{all}:*:*")}
        for key in client.scan_iter("ipc:stats:*"):
            assert 0 < client.ttl(key) <= 86_400 + 330
