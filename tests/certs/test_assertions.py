"""Who a certificate proves somebody to be: our CA's service, now, to us, and for nothing else."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.assertions import MAX_BYTES, Assertion, claimed_service, verify_assertion
from certs.authority import Authority, new_root_key, root_of
from certs.errors import BadAssertionError
from certs.names import alternative_names
from certs.pair import KeyType, PrivateKey, new_key

NAME = "exprsn-herald"
SERVICES = ["exprsn-herald", "exprsn-spark"]
NOW = datetime.now(UTC)
ROOT = root_of(new_root_key(KeyType.EC))
KEY = new_key(KeyType.EC)
CERTIFICATE = ROOT.issue(NAME, alternative_names(NAME), KEY, days=30)
JTI = "0123456789ABCDEFGH"

Claims = dict[str, Any]


def claims(**changes: Any) -> Claims:
    at_s = NOW.timestamp()
    said = {"iss": NAME, "sub": NAME, "aud": "exprsn-bridge", "iat": at_s, "exp": at_s + 60, "jti": JTI, **changes}
    return {name: value for name, value in said.items() if value is not None}


def signed(
    said: Claims | None = None,
    *,
    key: PrivateKey = KEY,
    certificate: x509.Certificate = CERTIFICATE,
    algorithm: str = "ES256",
    **headers: Any,
) -> str:
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
    return jwt.encode(said or claims(), key, algorithm=algorithm, headers={"x5c": chain, **headers})


def verify(text: str, *, authority: Authority = ROOT, now: datetime = NOW) -> Assertion:
    return verify_assertion(text, authority=authority.certificate, services=SERVICES, audience="exprsn-bridge", now=now)


@pytest.mark.parametrize("ca_type", list(KeyType))
@pytest.mark.parametrize(("key_type", "algorithm"), [(KeyType.EC, "ES256"), (KeyType.RSA, "RS256")])
def test_a_service_proves_who_it_is(ca_type: KeyType, key_type: KeyType, algorithm: str) -> None:
    """With the keys that `gencerts` makes, under a CA of either kind."""
    root, key = root_of(new_root_key(ca_type)), new_key(key_type)
    certificate = root.issue(NAME, alternative_names(NAME), key, days=30)
    text = signed(key=key, certificate=certificate, algorithm=algorithm)
    assert verify(text, authority=root) == Assertion(NAME, JTI)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "exprsn-spark"},
        {"sub": "exprsn-spark"},
        {"sub": None},
        {"sub": "exprsn-herald\x00"},
        {"aud": "exprsn-spark"},
        {"aud": ["exprsn-bridge", "exprsn-spark"]},
        {"aud": None},
        {"exp": None},
        {"iat": None},
        {"iat": True},
        {"exp": "soon"},
        {"exp": NOW.timestamp() + 61},
        {"exp": NOW.timestamp() - 1, "iat": NOW.timestamp() - 30},
        {"iat": NOW.timestamp() + 10, "exp": NOW.timestamp() + 60},
        {"exp": float("nan")},
        {"exp": float("inf"), "iat": float("inf")},
        {"jti": None},
        {"jti": "short"},
        {"jti": "0123456789ABCDEF:*"},
        {"jti": 1234567890123456},
    ],
    # Not by their values: times differ from run to run, and processes that share a run must agree on the names.
    ids=[f"wrong claims {number}" for number in range(20)],
)
def test_what_it_says_has_to_be_right(changes: Claims) -> None:
    with pytest.raises(BadAssertionError):
        verify(signed(claims(**changes)))


def test_it_is_not_taken_from_a_foreign_ca_nor_from_nobody() -> None:
    """Also from a CA of the same name, from a certificate that signed itself, and from one of another service."""
    foreign = root_of(new_root_key(KeyType.EC))
    by_foreign = foreign.issue(NAME, alternative_names(NAME), KEY, days=30)
    with pytest.raises(BadAssertionError, match="not one of our CA"):
        verify(signed(certificate=by_foreign))
    self_signed = Authority((CERTIFICATE,), KEY).issue(NAME, alternative_names(NAME), KEY, days=1)
    with pytest.raises(BadAssertionError, match="not one of our CA"):
        verify(signed(certificate=self_signed))
    spark = ROOT.issue("exprsn-spark", alternative_names("exprsn-spark"), KEY, days=30)
    with pytest.raises(BadAssertionError, match="exprsn-spark"):
        verify(signed(certificate=spark))
    nobody = ROOT.issue("localhost", alternative_names("localhost"), KEY, days=30)
    with pytest.raises(BadAssertionError, match="no service"):
        verify(signed(certificate=nobody))
    both = ROOT.issue(NAME, [*alternative_names(NAME), x509.DNSName("exprsn-spark")], KEY, days=30)
    with pytest.raises(BadAssertionError, match="exprsn-herald and exprsn-spark"):
        verify(signed(certificate=both))


def test_the_words_of_the_library_are_for_who_looks_for_them(caplog: pytest.LogCaptureFixture) -> None:
    by_foreign = root_of(new_root_key(KeyType.EC)).issue(NAME, alternative_names(NAME), KEY, days=30)
    with (
        caplog.at_level(logging.DEBUG, logger="certs.assertions"),
        pytest.raises(BadAssertionError, match="it is signed by another CA, has expired") as refused,
    ):
        verify(signed(certificate=by_foreign))
    assert "candidates" not in str(refused.value)
    assert [record.levelname for record in caplog.records if "candidates exhausted" in record.message] == ["DEBUG"]


@pytest.mark.parametrize("name", ["iss", "sub"])
def test_a_service_that_says_to_be_another_is_an_impostor(name: str) -> None:
    with pytest.raises(BadAssertionError) as refused:
        verify(signed(claims(**{name: "exprsn-spark"})))
    assert refused.value.impostor == NAME


def test_who_has_no_key_or_names_nobody_is_no_impostor() -> None:
    """A certificate is no secret: whoever has it without its key has proved nothing."""
    wrong = claims(iss="exprsn-spark", sub="exprsn-spark")
    for text in (signed(wrong, key=new_key(KeyType.EC)), signed(claims(iss="nobody")), signed(claims(aud="x"))):
        with pytest.raises(BadAssertionError) as refused:
            verify(text)
        assert refused.value.impostor == ""


def test_who_an_assertion_says_to_be_is_a_service_or_nobody() -> None:
    assert claimed_service(signed(claims(iss="exprsn-spark", sub="x")), SERVICES) == "exprsn-spark"
    for said in ("exprsn-spark\n", "nobody", 5, ["exprsn-spark"], {"a": 1}):
        assert claimed_service(f"e30.{_part(json.dumps({'iss': said, 'sub': said}).encode())}.x", SERVICES) == ""
    for text in (
        "",
        "a.b",
        "a.b.c",
        "a.a.a",
        f"e30.{_part(b'[]')}.x",
        f"e30.{_part(b'[' * 9_000)}.x",
        "x" * 100_000,
        "e30._w.x",
    ):
        assert claimed_service(text, SERVICES) == ""


def test_a_certificate_has_to_be_of_today() -> None:
    for now in (NOW + timedelta(days=31), NOW - timedelta(days=31)):
        with pytest.raises(BadAssertionError, match="not one of our CA that holds now"):
            verify(signed(), now=now)


def test_the_ca_itself_and_a_service_that_plays_ca_prove_nothing() -> None:
    """Path length 0, and no certificate of a service may sign another one."""
    assert ROOT.key is not None
    with pytest.raises(BadAssertionError):
        verify(signed(key=ROOT.key, certificate=ROOT.certificate, algorithm="ES384"))
    key = new_key(KeyType.EC)
    below = Authority((CERTIFICATE, ROOT.certificate), KEY).issue(NAME, alternative_names(NAME), key, days=1)
    with pytest.raises(BadAssertionError, match="not one of our CA"):
        verify(signed(key=key, certificate=below))


def _certificate(add: Callable[[x509.CertificateBuilder], x509.CertificateBuilder]) -> x509.Certificate:
    assert isinstance(ROOT.key, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]))
        .issuer_name(ROOT.certificate.subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT.key.public_key()),
            critical=False,
        )
    )
    return add(builder).sign(ROOT.key, hashes.SHA384())


def test_a_certificate_for_something_else_proves_nothing() -> None:
    """One that may not sign, and one that is for servers only."""
    no_signing = _certificate(
        lambda builder: builder.add_extension(
            x509.KeyUsage(False, False, True, False, False, False, False, False, False),
            critical=True,
        )
    )
    server_only = _certificate(
        lambda builder: builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    for certificate in (no_signing, server_only):
        with pytest.raises(BadAssertionError):
            verify(signed(certificate=certificate))


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_algorithms_are_not_a_matter_of_choice() -> None:
    """None, one that takes the public key for a secret, another key's, and headers that bring keys along."""
    public = CERTIFICATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    good = signed()
    header, payload, signature = good.split(".")
    chain = json.loads(jwt.utils.base64url_decode(header))["x5c"]
    encode = jwt.api_jws.PyJWS().encode
    body = json.dumps(claims()).encode()
    confused = f"{_part(json.dumps({'alg': 'HS256', 'x5c': chain}).encode())}.{payload}"
    for text in (
        encode(body, "", algorithm="none", headers={"x5c": chain}),
        f"{confused}.{_part(hmac.new(public, confused.encode(), hashlib.sha256).digest())}",
        signed(key=new_key(KeyType.EC)),
        signed(key=new_key(KeyType.RSA), algorithm="RS256"),
        signed(jwk={"kty": "EC"}),
        signed(jku="https://evil.example"),
        signed(x5c=[]),
        signed(x5c="MII"),
        signed(x5c=["@@@"]),
        signed(x5c=[base64.b64encode(b"no certificate").decode()]),
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload}",
        good + "A" * MAX_BYTES,
        "",
    ):
        with pytest.raises(BadAssertionError):
            verify(text)
