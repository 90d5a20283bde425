"""Server processes start, fail and stop as told."""

import socket
import sys
from pathlib import Path

import pytest
import redis.asyncio as redis

from bench import servers
from bench.servers import ServerError, free_port, last_line, redis_url, start, start_valkey

pytestmark = pytest.mark.processes


async def test_valkey_runs_and_is_stopped(tmp_path: Path) -> None:
    """It keeps nothing on disk, answers, and is gone after stop()."""
    valkey = await start_valkey(tmp_path)
    try:
        async with redis.Redis.from_url(redis_url(valkey)) as client:
            assert await client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}
    finally:
        await valkey.stop()
    assert valkey.process.returncode is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", valkey.port)) != 0
    await valkey.stop()


async def test_a_durable_valkey_writes_to_a_file_every_second(tmp_path: Path) -> None:
    """The one that the durable workload runs on keeps what it was told, as a real one would."""
    valkey = await start_valkey(tmp_path, is_durable=True)
    try:
        async with redis.Redis.from_url(redis_url(valkey)) as client:
            kept = await client.config_get("appendonly", "appendfsync")
    finally:
        await valkey.stop()
    assert kept == {"appendonly": "yes", "appendfsync": "everysec"}


async def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    """The last line of its log is in the message."""
    command = [sys.executable, "-c", "raise SystemExit('no such layer')"]
    with pytest.raises(ServerError, match="it ended with code 1: no such layer"):
        await start("bad", command, port=free_port(), folder=tmp_path)


async def test_a_server_that_never_listens_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and not left behind."""
    monkeypatch.setattr(servers, "START_TIMEOUT_S", 0.3)
    with pytest.raises(ServerError, match="it did not listen within"):
        await start("idle", [sys.executable, "-c", "import signal; signal.pause()"], port=free_port(), folder=tmp_path)


def test_the_last_line_of_an_empty_log(tmp_path: Path) -> None:
    """A silent server has no last line."""
    log = tmp_path / "silent.log"
    log.write_text("\n \n")
    assert last_line(log) == "it printed nothing"
