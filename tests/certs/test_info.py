"""A certificate's figures."""

import subprocess

import pytest

from certs.info import describe
from certs.store import CertificateStore
from tests.certs import companies


def test_the_fingerprint_is_openssls(store: CertificateStore) -> None:
    """People compare it with what their browser shows."""
    path = store.certificate_path("exprsn-timeline")
    told = subprocess.run(
        ["openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert describe("exprsn-timeline", store.read("exprsn-timeline").certificate).fingerprint == told.strip()[-95:]


@pytest.mark.parametrize(("days", "left"), [(5, 5), (0.1, 1), (-0.1, -1), (-5, -6)])
def test_days_left_are_whole_days(days: float, left: int) -> None:
    """A new certificate has all of its days, and an expired one less than none."""
    assert describe("a", companies.make("a", days=days)[0]).days_left == left


def test_json_has_times_in_iso_8601(store: CertificateStore) -> None:
    """A program reads it without knowing Python."""
    certificate = store.read("exprsn-timeline").certificate
    told = describe("exprsn-timeline", certificate).as_json()
    assert told["notAfter"] == certificate.not_valid_after_utc.isoformat()
    assert told["subject"] == "CN=exprsn-timeline,O=Exprsn"
