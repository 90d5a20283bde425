"""Certificates, made once, and the environment of a system of the test's own."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

from tests.ports import free_port

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
    bridge, timeline, redirect = (free_port() for _ in range(3))
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
