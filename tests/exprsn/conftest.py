"""Certificates, made once, and the environment of a system of the test's own."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the certificates of all services."""
    directory = tmp_path_factory.mktemp("certs")
    with override_settings(CERTS_DIR=directory):
        call_command("gencerts", verbosity=0)
    return directory


@pytest.fixture
def own_system(tmp_path: Path, certificates: Path) -> Mapping[str, str]:
    """The environment of a whole system: ports and a var/ that nobody else uses."""
    bridge, timeline, redirect = free_ports(3)
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "exprsn.settings",
        "EXPRSN_ENV": "development",
        "DEV_BYPASS": "true",
        "IPC_BYPASS_AUTH": "true",
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "BRIDGE_URL": "",
        "SECRET_KEY": "",
        "VAR_DIR": str(tmp_path / "var"),
        "CERTS_DIR": str(certificates),
        "BRIDGE_PORT": str(bridge),
        "TIMELINE_PORT": str(timeline),
        "TIMELINE_REDIRECT_PORT": str(redirect),
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
