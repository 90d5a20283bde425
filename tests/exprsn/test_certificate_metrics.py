"""How long certificates last, as metrics."""

from pathlib import Path

import pytest
from pytest_django import Settings

from certs.store import CertificateStore
from exprsn.certificate_metrics import metrics_of_certificates
from tests import servers


def ends() -> dict[str, float]:
    (metric,) = metrics_of_certificates()
    return {sample.labels["certificate"]: sample.value for sample in metric.samples}


def test_each_certificate_that_is_here_has_its_end(settings: Settings, tmp_path: Path) -> None:
    settings.CERTS_DIR = servers.own_certificates(tmp_path)
    store = CertificateStore(tmp_path)
    found = ends()
    assert set(found) == {"root", "localhost", "exprsn-bridge", "exprsn-timeline"}
    assert found["exprsn-bridge"] == store.read("exprsn-bridge").certificate.not_valid_after_utc.timestamp()
    assert found["root"] > found["exprsn-bridge"]


def test_one_that_cannot_be_read_ended_long_ago(settings: Settings, tmp_path: Path) -> None:
    """So that its alert comes, instead of none for want of a value."""
    settings.CERTS_DIR = servers.own_certificates(tmp_path)
    CertificateStore(tmp_path).certificate_path("exprsn-bridge").write_text("no certificate")
    assert ends()["exprsn-bridge"] == 0


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_without_certificates_there_are_none(settings: Settings, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    settings.CERTS_DIR = tmp_path / name
    assert ends() == {}
