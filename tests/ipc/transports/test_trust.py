"""Which certificate a client shows, and what it says of those that are spoilt or not taken."""

import ssl
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from django.core.management import call_command
from django.test import override_settings

from ipc.protocol.errors import ConfigurationError, ConnectionClosedError
from ipc.transports.tokens import CertificateTokens, GivenToken, token_source
from ipc.transports.trust import Identity, certificate_refusal, identity_of, show, trust_of


@pytest.fixture
def certs_dir(tmp_path: Path) -> Path:
    with override_settings(CERTS_DIR=tmp_path):
        call_command("gencerts", service=["herald", "localhost"], key_type="ec", stdout=StringIO())
    return tmp_path


def herald(certs_dir: Path) -> Identity:
    return Identity(certs_dir / "exprsn-herald-cert.pem", certs_dir / "exprsn-herald-key.pem")


def test_the_first_that_is_there_with_its_key_is_shown(certs_dir: Path) -> None:
    names = ("exprsn-herald", "localhost")
    assert identity_of(certs_dir, *names) == herald(certs_dir)
    herald(certs_dir).key_file.unlink()
    found = identity_of(certs_dir, *names)
    assert found is not None
    assert found.certificate_file.name == "localhost-cert.pem"
    assert identity_of(certs_dir / "nowhere", *names) is identity_of(None, *names) is None


def test_localhosts_certificate_is_for_tls_and_not_for_tokens(certs_dir: Path) -> None:
    """It is of no service, so a bridge would give none for it."""
    source = token_source("given", "wss://localhost", "spark", certs_dir=certs_dir, ca_file=None)
    assert isinstance(source, GivenToken)


def test_a_token_beside_a_certificate_is_not_ignored_in_silence(
    certs_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever hands out a token that permits little has to learn that it is not the one in use."""
    told = []
    for given in ("", "a-narrow-token"):
        source = token_source(given, "wss://localhost", "herald", certs_dir=certs_dir, ca_file=None)
        assert isinstance(source, CertificateTokens)
        told.append(list(caplog.messages))
    assert told[0] == []
    (message,) = told[1]
    assert "IPC_TOKEN is not used" in message
    assert str(herald(certs_dir).certificate_file) in message
    assert "a-narrow-token" not in message


def test_a_pair_in_the_middle_of_its_renewal_may_be_tried_again(certs_dir: Path) -> None:
    mine, ca_file = herald(certs_dir), certs_dir / "ca-cert.pem"
    other = Identity(mine.certificate_file, certs_dir / "localhost-key.pem")
    for identity in (other, Identity(certs_dir / "gone.pem", mine.key_file)):
        with pytest.raises(ConnectionClosedError, match="is it being renewed") as refused:
            trust_of(ca_file, shown=identity)
        assert refused.value.may_reconnect


@pytest.mark.parametrize("what", ["rubbish", "a key with a password"])
def test_a_pair_that_is_none_is_an_error_for_good(certs_dir: Path, what: str) -> None:
    """And nobody is asked for a password on the terminal."""
    mine = herald(certs_dir)
    key = load_pem_private_key(mine.key_file.read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    mine.key_file.write_bytes(locked if what.startswith("a key") else b"rubbish")
    with pytest.raises(ConfigurationError, match=r"exprsn-herald-cert\.pem or .*exprsn-herald-key\.pem cannot be read"):
        trust_of(certs_dir / "ca-cert.pem", shown=mine)


def test_what_a_user_may_not_read_is_not_shown(certs_dir: Path) -> None:
    """Such as an operator who asks a bridge that wants no certificate: the key is the service's alone."""

    class Forbidden(ssl.SSLContext):
        def load_cert_chain(self, *_args: Any, **_options: Any) -> None:
            raise PermissionError

    show(Forbidden(ssl.PROTOCOL_TLS_CLIENT), herald(certs_dir))


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "alert")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "asks for a certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not take the certificate of this service"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "does not take the certificate of this service"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "does not take the certificate of this service"),
    ],
)
def test_an_alert_is_said_in_words_from_wherever_it_comes(reason: str, words: str) -> None:
    outer = ExceptionGroup("several", [ValueError("no answer")])
    outer.exceptions[0].__cause__ = alert(reason)
    said = certificate_refusal(outer)
    assert said is not None
    assert words in said


def test_what_has_another_reason_is_not_blamed_on_the_certificate() -> None:
    assert certificate_refusal(alert("TLSV1_ALERT_PROTOCOL_VERSION")) is None
    assert certificate_refusal(ssl.SSLCertVerificationError(1, "the bridge's own")) is None
    assert certificate_refusal(ConnectionResetError()) is None


def test_a_connection_that_is_cut_may_have_been_cut_for_it() -> None:
    assert certificate_refusal(ConnectionResetError(), is_cut=True) == (
        "cannot be reached: ConnectionResetError; if it asks for certificates, put one of its CA into CERTS_DIR"
    )
