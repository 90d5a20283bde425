"""The console of live bridges: somebody logs in as a browser does, operates the mesh, and reads who has done what."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from tests import servers
from tests.servers import ROOT, ServerProcess

pytestmark = pytest.mark.processes

PASSWORD = f"correct horse {new_ulid()}"
SETTINGS = {"EXPRSN_ENV": "production", "DEV_BYPASS": "false", "IPC_BYPASS_AUTH": "false", "SECURE_HSTS_SECONDS": "0"}
KEY = "a key of this console 0123456789 abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(params=["daphne", "uvicorn"])
def bridge(request: pytest.FixtureRequest, own_valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[ServerProcess]:
    """A bridge as in production, with an administrator."""
    certs, var = servers.certificates(tmp_path / "certs"), tmp_path / "var"
    keys = {"SECRET_KEY": KEY, "IPC_BROKER_KEY": KEY}
    with servers.bridge(request.param, own_valkey.url, certs, var, **SETTINGS, **keys) as server:
        told = {
            "VAR_DIR": str(var),
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "exprsn.settings",
            **SETTINGS,
            **keys,
        }
        environment = {**os.environ, **told, "DJANGO_SUPERUSER_PASSWORD": PASSWORD, "REDIS_URL": own_valkey.url}
        for command in (
            ["createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.com"],
            ["brokertoken", "mint", "herald"],
        ):
            arguments = [sys.executable, "manage.py", *command]
            subprocess.run(arguments, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
        yield server
    assert "Traceback" not in server.output()
    assert PASSWORD not in server.output()


def log_in(client: httpx.Client, password: str) -> int:
    page = client.get("/admin/login/")
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert found is not None
    form = {"csrfmiddlewaretoken": found[1], "username": "ada", "password": password, "next": "/admin/"}
    return client.post("/admin/login/", data=form, headers={"Referer": str(page.url)}).status_code


def test_what_operators_do_is_read_by_operators(bridge: ServerProcess) -> None:
    with httpx.Client(base_url=bridge.url, verify=bridge.trust, timeout=15, trust_env=False) as client:
        assert client.get("/admin/console/audit").status_code == 302
        assert log_in(client, "wrong") == 200
        assert log_in(client, PASSWORD) == 302
        headers = {"X-CSRFToken": client.cookies["__Host-csrftoken"], "Referer": bridge.url}
        emitted = client.post("/api/ipc/emit?service=vault", json={"event": "vault:opened"}, headers=headers)
        assert emitted.status_code == 200, emitted.text
        page = client.get("/admin/console/audit")
        assert page.status_code == 200
        actions = re.findall(r'<td class="name"[^>]*>([\w.]+)</td>', page.text)
        assert actions == ["operator.speaks", "login", "login.failed", "token.mint"]
        for text in ("exprsn-vault", "operator 1", "manage.py by", "127.0.0.1", "exprsn-herald"):
            assert text in page.text
        only = client.get("/admin/console/audit", params={"action": "token.", "subject": "01"})
        assert re.findall(r'<td class="name"[^>]*>([\w.]+)</td>', only.text) == ["token.mint"]
        assert client.get("/admin/").text.count("/admin/console/audit") > 0
