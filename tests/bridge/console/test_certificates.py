"""The certificates as a page: the CA first, days left, what is about to end, and none at all."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import AsyncClient
from pytest_django import Settings

from bridge.console import certificates
from certs.info import CertificateInfo
from certs.store import CertificateStore
from tests import servers
from tests.bridge.console.conftest import LogIn

PATH = "/admin/console/certificates"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh")


async def test_it_is_for_who_may_see_the_mesh(log_in: LogIn) -> None:
    assert (await AsyncClient().get(PATH)).status_code == 302
    assert (await (await log_in("bob", "view_event")).get(PATH)).status_code == 403


async def test_those_that_are_there_are_shown(client: AsyncClient, settings: Settings, tmp_path: Path) -> None:
    settings.CERTS_DIR = servers.own_certificates(tmp_path / "certs")
    answer = await client.get(PATH)
    assert answer.context["rows"][0]["info"].name == "root"
    assert {row["info"].name for row in answer.context["rows"]} >= {"root", "localhost", "exprsn-bridge"}
    assert {row["state"] for row in answer.context["rows"]} == {"good"}
    info = answer.context["rows"][0]["info"]
    page = answer.content.decode()
    assert info.fingerprint in page
    assert "exprsn-herald" in " ".join(answer.context["missing"])
    assert "BEGIN" not in page


@pytest.mark.parametrize(
    ("days", "state", "said"), [(-2, "bad", "has expired"), (1, "warn", "ends in 1 day"), (31, "good", "")]
)
async def test_what_ends_soon_is_said_above(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch, days: int, state: str, said: str
) -> None:
    now = datetime.now(UTC)
    info = CertificateInfo(
        name="exprsn-herald", subject="CN=<b>", issuer="CN=x", not_before=now - timedelta(365),
        not_after=now + timedelta(days), days_left=days, fingerprint="AA", names=("herald",),
    )  # fmt: skip

    def read_all(_store: CertificateStore, _names: list[str]) -> tuple[list[CertificateInfo], list[str]]:
        return [info], []

    monkeypatch.setattr(certificates, "read_all", read_all)
    answer = await client.get(PATH)
    page = answer.content.decode()
    assert answer.context["rows"][0]["state"] == state
    assert (f"exprsn-herald {said}" in page) is bool(said)
    assert "CN=<b>" not in page


async def test_without_any_it_says_how_to_make_them(client: AsyncClient, settings: Settings, tmp_path: Path) -> None:
    settings.CERTS_DIR = tmp_path / "none"
    page = (await client.get(PATH)).content.decode()
    assert "There are no certificates" in page
    assert "gencerts" in page
