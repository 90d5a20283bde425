"""Whole servers and commands on a Redis with TLS and a user; what they print never has its password."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from exprsn.supervision.preparation import PreparationError
from exprsn.supervision.system import _check_redis
from tests import servers
from tests.clients import attached
from tests.secured_redis import SecuredRedis
from tests.servers import ROOT

WRONG = "wrong-p4ssword"
PARTS = ("p@ss w", "p%40ss", WRONG)


@pytest.fixture(scope="module")
def certs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return servers.certificates(tmp_path_factory.mktemp("certs"))


@pytest.mark.processes
async def test_two_bridges_exchange_events_over_it(
    secured_redis: SecuredRedis, certs_dir: Path, tmp_path: Path
) -> None:
    """One behind each server: how the frames of sockets are read has nothing to do with Redis."""
    url, debug = secured_redis.url(), {"LOG_LEVEL": "DEBUG"}
    with (
        servers.bridge("uvicorn", url, certs_dir, tmp_path / "one", **debug) as one,
        servers.bridge("daphne", url, certs_dir, tmp_path / "other", **debug) as other,
    ):
        assert (one.health(), other.health()) == (200, 200)
        async with attached(one, "herald", "a:b") as here, attached(other, "spark", "a:b") as there:
            assert (await here.ask(type="emit", event="a:b", data=1, ack=True))["type"] == "ok"
            assert (await there.event())["data"] == 1
            assert (await there.ask(type="emit", event="a:b", data=2, ack=True))["type"] == "ok"
            await here.hear(lambda heard: heard.get("data") == 2)
        said = one.output() + other.output()
    assert f"joins the mesh at rediss://localhost:{secured_redis.port}/0" in said
    assert not any(part in said for part in PARTS)


@pytest.mark.processes
async def test_a_bridge_with_a_wrong_password_is_unhealthy_and_says_why(
    secured_redis: SecuredRedis, certs_dir: Path, tmp_path: Path
) -> None:
    url = secured_redis.url(password=WRONG)
    with servers.bridge("daphne", url, certs_dir, tmp_path / "var", LOG_LEVEL="DEBUG") as bridge:
        assert bridge.health() == 503
        async with attached(bridge, "herald") as client:
            assert (await client.ask(type="subscribe", events=["a:b"]))["code"] == "UNAVAILABLE"
        told = bridge.get("/health").text
    assert "Redis refused the password of its URL" in bridge.output()
    assert not any(part in bridge.output() + told for part in PARTS)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("password", "code", "words"),
    [
        (None, 0, ""),
        (WRONG, 1, "Redis refused the password of its URL"),
        ("not/encoded", 1, "is no address of a Redis"),
    ],
)
def test_commands_use_it(
    secured_redis: SecuredRedis, tmp_path: Path, password: str | None, code: int, words: str
) -> None:
    url = secured_redis.url() if password is None else secured_redis.url(password=password).replace("%2F", "/")
    run = subprocess.run(
        [sys.executable, "manage.py", "ipcservices"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "exprsn.settings",
            "EXPRSN_ENV": "development",
            "VAR_DIR": str(tmp_path),
            "REDIS_URL": url,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, words in run.stderr) == (code, True), run.stderr
    assert not any(part in run.stderr + run.stdout for part in (*PARTS, "encoded@"))


def test_the_system_of_a_development_machine_looks_at_its_url(secured_redis: SecuredRedis, settings: Settings) -> None:
    _check_redis(secured_redis.url())
    for url in (secured_redis.url(password=WRONG), f"redis://:{WRONG}/x@localhost:1/0"):
        with pytest.raises(PreparationError, match="REDIS_URL") as refused:
            _check_redis(url)
        assert WRONG not in json.dumps(str(refused.value))
