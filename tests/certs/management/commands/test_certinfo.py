"""`manage.py certinfo`: the table, JSON, and what is missing."""

import json
import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from certs.store import CertificateStore


def certinfo(*arguments: str) -> tuple[str, str]:
    """Run it and return what it said, and what it complained of."""
    out, problems = StringIO(), StringIO()
    call_command("certinfo", *arguments, stdout=out, stderr=problems)
    return out.getvalue(), problems.getvalue()


def test_the_table_has_the_ca_and_the_services(store: CertificateStore, settings: Settings) -> None:
    """A line for each, with dates, days left and fingerprint."""
    settings.CERTS_SERVICES = ["exprsn-bridge", "exprsn-timeline"]
    out, problems = certinfo()
    heading, *rows = out.splitlines()
    assert heading.split("  ")[0] == "NAME"
    assert [row.split()[0] for row in rows] == ["root", "localhost", "exprsn-bridge", "exprsn-timeline"]
    end = store.read("exprsn-timeline").certificate.not_valid_after_utc
    assert f"{end:%Y-%m-%d}  365 " in rows[3]
    assert "CN=exprsn-timeline,O=Exprsn  CN=Exprsn Root CA,O=Exprsn" in rows[3]
    assert problems == ""


@pytest.mark.parametrize("name", ["timeline", "exprsn-timeline"])
def test_one_service_is_one_line(store: CertificateStore, name: str) -> None:
    """By its short or its full name."""
    out, _ = certinfo(name)
    assert len(out.splitlines()) == 2
    assert "exprsn-timeline" in out


def test_json_is_for_programs(store: CertificateStore) -> None:
    """A list of objects, the CA by the name root."""
    (told,) = json.loads(certinfo("root", "--json")[0])
    assert told["subject"] == told["issuer"] == "CN=Exprsn Root CA,O=Exprsn"
    assert told["daysLeft"] == 3650


def test_what_is_missing_or_spoilt_is_said(store: CertificateStore, settings: Settings) -> None:
    """The others are listed all the same."""
    settings.CERTS_SERVICES = ["exprsn-bridge", "exprsn-timeline", "exprsn-vault"]
    store.certificate_path("exprsn-bridge").write_text("rubbish")
    out, problems = certinfo()
    assert len(out.splitlines()) == 4
    assert "exprsn-bridge-cert.pem holds no PEM certificate" in problems
    assert "exprsn-vault-cert.pem: run manage.py gencerts" in problems


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_reader_that_is_gone_ends_it_quietly(store: CertificateStore, arguments: list[str]) -> None:
    """Such as `head`, when it has its lines."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        call_command("certinfo", *arguments, stdout=output)


@pytest.mark.parametrize(("name", "sentence"), [("nope", "there is no service 'nope'"), ("vault", "run manage.py")])
def test_nothing_to_list_is_an_error(store: CertificateStore, name: str, sentence: str) -> None:
    """A service that is not known, or has no certificate."""
    with pytest.raises(CommandError, match=sentence):
        certinfo(name)


def test_an_empty_directory_says_what_to_run(tmp_path: Path, settings: Settings) -> None:
    """Before the first gencerts."""
    settings.CERTS_DIR = tmp_path
    with pytest.raises(CommandError, match=r"run manage\.py gencerts"):
        certinfo()
