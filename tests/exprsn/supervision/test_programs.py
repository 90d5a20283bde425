"""Which programs make up the system, and what each is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from exprsn.supervision import programs
from exprsn.supervision.banner import banner
from exprsn.supervision.health import https_client
from tests.exprsn.conftest import ROOT

SECRET = {"SECRET_KEY": "s", "DATABASE_URL": "postgres://p", "IPC_BROKER_KEY": "k", "REDIS_URL": "redis://other"}


@pytest.fixture
def layout(certificates: Path) -> programs.Layout:
    return programs.Layout(
        root=ROOT,
        certs_dir=certificates,
        bridge_port=1,
        timeline_port=2,
        timeline_redirect_port=3,
        redis_url="redis://:password@127.0.0.1:4/0",
    )


async def test_samples_know_the_bridge_and_no_secret_of_the_system(layout: programs.Layout) -> None:
    async with https_client(layout.certs_dir) as client:
        told = {name: programs.sample(name, layout, client, SECRET).environment for name in programs.SAMPLES}
    for environment in told.values():
        assert not environment.keys() & SECRET.keys()
        assert environment["BRIDGE_URL"] == "wss://localhost:1"
        assert environment["IPC_CA_FILE"] == str(layout.ca_file)
    assert [name for name, environment in told.items() if layout.redis_url in environment.values()] == ["prefetch"]
    assert told["prefetch"]["PREFETCH_REDIS_URL"] == layout.redis_url


async def test_servers_join_the_mesh_themselves(layout: programs.Layout) -> None:
    """BRIDGE_URL would win over REDIS_URL."""
    async with https_client(layout.certs_dir) as client:
        for make, service in ((programs.bridge, "bridge"), (programs.timeline, "timeline")):
            environment = make(layout, client, SECRET | {"BRIDGE_URL": "wss://elsewhere"}).environment
            assert "BRIDGE_URL" not in environment
            assert (environment["REDIS_URL"], environment["EXPRSN_SERVICE"]) == (layout.redis_url, service)


async def test_what_does_not_answer_is_not_ready(layout: programs.Layout) -> None:
    async with https_client(layout.certs_dir) as client:
        for program in (
            programs.bridge(layout, client, {}),
            programs.timeline(layout, client, {}),
            programs.sample("herald", layout, client, {}),
        ):
            assert not await program.is_ready()


def test_the_banner_says_where_things_are_and_what_to_try(layout: programs.Layout) -> None:
    text = banner(layout, redis="embedded Valkey", admin_password="hunter2")
    for expected in (
        "https://localhost:1",
        "wss://localhost:1/ipc/<service>",
        "https://localhost:2/api/posts",
        "http://localhost:3",
        "user admin, password hunter2",
        f"curl --cacert {layout.ca_file} https://localhost:1/health",
        f" CERTS_DIR={layout.certs_dir} .venv/bin/python manage.py ipccheck --url https://localhost:1\n",
    ):
        assert expected in text
    assert "--cert " not in text
    usual = replace(layout, certs_dir=layout.root / "var" / "certs")
    assert "CERTS_DIR" not in banner(usual, redis="", admin_password=None)
    assert "with the password you gave it" in banner(layout, redis="", admin_password=None)
