"""`manage.py gencerts`: its options, what it says, and two at once."""

import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings

from certs.names import names_of
from certs.pair import KeyType, key_type_of
from certs.store import CertificateStore
from tests.certs import companies
from tests.certs.processes import ROOT


def gencerts(*arguments: str) -> str:
    """Run it and return what it said."""
    out = StringIO()
    call_command("gencerts", *arguments, stdout=out)
    return out.getvalue()


def test_all_nineteen_services_and_localhost_get_the_seeds_file_names(tmp_path: Path, settings: Settings) -> None:
    """With the CA, 21 pairs, each in its two files; openssl accepts every one."""
    settings.CERTS_DIR = tmp_path / "certs"
    said = gencerts()
    names = ["ca", "localhost", *django_settings.CERTS_SERVICES]
    assert len(names) == 21
    files = {path.name for path in settings.CERTS_DIR.glob("*.pem")}
    assert files == {f"{name}-{kind}.pem" for name in names for kind in ("cert", "key")}
    assert said.splitlines()[-1] == f"20 made, 0 renewed, 0 still good, in {settings.CERTS_DIR}"
    told = subprocess.run(
        [
            "openssl",
            "verify",
            "-x509_strict",
            "-CAfile",
            "ca-cert.pem",
            *sorted(files - _keys(files) - {"ca-cert.pem"}),
        ],
        cwd=settings.CERTS_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.count(": OK") == 20
    assert {stat.S_IMODE((settings.CERTS_DIR / key).stat().st_mode) for key in _keys(files)} == {0o600}


def _keys(files: set[str]) -> set[str]:
    return {name for name in files if name.endswith("-key.pem")}


def test_a_second_run_says_that_all_is_good(store: CertificateStore) -> None:
    """One line."""
    arguments = ("--service", "timeline", "--service", "exprsn-bridge")
    assert gencerts(*arguments) == f"0 made, 0 renewed, 2 still good, in {store.directory}\n"


def test_a_services_key_is_rsa_2048_unless_ec_is_asked(store: CertificateStore) -> None:
    """Both kinds are what clients of TLS 1.2 know."""
    key = store.read("exprsn-timeline").key
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    gencerts("--service", "timeline", "--key-type", "ec")
    assert key_type_of(store.read("exprsn-timeline").key) is KeyType.EC


def test_days_and_names_reach_the_certificate(store: CertificateStore) -> None:
    """--days counts from today; --san takes DNS names and addresses, more than once."""
    gencerts("--service", "timeline", "--force", "--days", "90", "--san", "tl.example.org", "--san", "10.1.2.3")
    certificate = store.read("exprsn-timeline").certificate
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 90
    assert {"tl.example.org", "10.1.2.3"} <= {str(name.value) for name in names_of(certificate)}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--service", "nope"], "there is no service 'nope'"),
        (["--days", "0"], "a whole number from 1 to 3650, not '0'"),
        (["--days", "x"], "a whole number from 1 to 3650, not 'x'"),
        (["--san", "not a name"], "'not a name' is neither an IP address nor a DNS name"),
        (["--key-type", "dsa"], "invalid choice: 'dsa'"),
        (["--ca-cert", "a.pem"], "--ca-cert and --ca-key go together"),
        (["--ca-cert", "no.pem", "--ca-key", "no.pem"], "there is no no.pem"),
    ],
)
def test_a_wrong_option_is_one_sentence(store: CertificateStore, arguments: list[str], sentence: str) -> None:
    """And changes nothing."""
    before = store.read("exprsn-timeline").certificate
    with pytest.raises(CommandError) as refused:
        gencerts(*arguments)
    assert sentence in str(refused.value)
    assert store.read("exprsn-timeline").certificate == before


def test_a_companys_ca_signs(store: CertificateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its chain and an encrypted key; only its certificates are kept."""
    root = companies.make("Root")
    middle, key = companies.make("Middle", issuer=root)
    certificate_path, key_path = companies.write(tmp_path, key, middle, root[0])
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")))
    monkeypatch.setenv("CA_KEY_PASSWORD", "pass")
    said = gencerts("--service", "timeline", "--ca-cert", str(certificate_path), "--ca-key", str(key_path))
    assert "CN=Middle: now the CA here" in said
    assert store.read("exprsn-timeline").chain == (middle,)
    assert not store.key_path("ca").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, settings: Settings) -> None:
    """Here a file is where the directory should be."""
    (tmp_path / "file").touch()
    settings.CERTS_DIR = tmp_path / "file" / "certs"
    with pytest.raises(CommandError, match=r"cannot write to .*: Not a directory"):
        gencerts()


@pytest.mark.processes
def test_two_at_once_make_one_set(tmp_path: Path) -> None:
    """One of them makes everything; the other waits, and finds it good."""
    command = [sys.executable, "-m", "django", "gencerts"]
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.certs.project",
        "TEST_APPLICATION": "unused",
        "CERTS_DIR": str(tmp_path / "certs"),
        "PYTHONPATH": str(ROOT),
    }
    runs = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=60)[0].splitlines()[-1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(line.partition(", in")[0] for line in said) == [
        "0 made, 0 renewed, 4 still good",
        "4 made, 0 renewed, 0 still good",
    ]
    store = CertificateStore(tmp_path / "certs")
    assert store.read_authority() is not None
    assert store.read("exprsn-timeline").certificate.issuer == store.read("localhost").certificate.issuer
