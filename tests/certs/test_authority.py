"""What the CA signs, read back from the certificates and judged by openssl."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.authority import Authority, new_root_key, root_of
from certs.errors import UnusableAuthorityError
from certs.names import alternative_names
from certs.pair import KeyType, new_key
from certs.store import CertificateStore
from tests.certs import companies


@pytest.fixture(scope="module")
def root() -> Authority:
    """A CA with an EC key, which is made at once."""
    return root_of(new_root_key(KeyType.EC))


def test_the_root_key_is_larger_than_a_services() -> None:
    """RSA-3072 and P-384 over RSA-2048 and P-256: the CA lives ten times as long."""
    root_rsa, service_rsa = new_root_key(KeyType.RSA), new_key(KeyType.RSA)
    root_ec, service_ec = new_root_key(KeyType.EC), new_key(KeyType.EC)
    assert isinstance(root_rsa, rsa.RSAPrivateKey)
    assert isinstance(root_ec, ec.EllipticCurvePrivateKey)
    assert (root_rsa.key_size, service_rsa.key_size) == (3072, 2048)
    assert (root_ec.curve.name, service_ec.key_size) == ("secp384r1", 256)


def test_a_certificate_is_for_servers_and_clients(root: Authority) -> None:
    """A service listens with its certificate, and proves with it who it is."""
    certificate = root.issue("exprsn-timeline", alternative_names("exprsn-timeline"), new_key(KeyType.RSA), days=365)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca


@pytest.mark.parametrize(("key_type", "enciphers"), [(KeyType.RSA, True), (KeyType.EC, False)])
def test_only_an_rsa_key_enciphers(root: Authority, key_type: KeyType, *, enciphers: bool) -> None:
    """An EC key signs, and does nothing else."""
    certificate = root.issue("exprsn-timeline", alternative_names("exprsn-timeline"), new_key(key_type), days=1)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment is enciphers
    assert not usage.value.key_cert_sign


def test_a_certificate_never_outlives_its_ca() -> None:
    """Asked for a year by a CA that has ten days, it lasts ten days."""
    certificate, key = companies.make("short", days=10)
    issued = Authority((certificate,), key).issue("a", alternative_names("a"), new_key(KeyType.EC), days=365)
    assert issued.not_valid_after_utc == certificate.not_valid_after_utc


def test_a_certificate_lasts_as_long_as_asked(root: Authority) -> None:
    """Days count from now, and a slow clock may be an hour behind."""
    certificate = root.issue("a", alternative_names("a"), new_key(KeyType.EC), days=7)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=7, hours=1)
    assert certificate.not_valid_before_utc < datetime.now(UTC)


def test_a_renewed_root_still_has_signed_the_old_certificates(root: Authority) -> None:
    """The same key under new dates: nothing below it has to change."""
    assert root.key is not None
    certificate = root.issue("a", alternative_names("a"), new_key(KeyType.EC), days=7)
    assert root_of(root.key).signed(certificate)


def test_another_root_has_not_signed_it(root: Authority) -> None:
    """Two roots of the same name are told apart by their keys."""
    certificate = root.issue("a", alternative_names("a"), new_key(KeyType.EC), days=7)
    assert not root_of(new_root_key(KeyType.EC)).signed(certificate)


def test_without_its_key_a_ca_signs_nothing(root: Authority) -> None:
    """A store that holds a company's certificate but not its key says so."""
    with pytest.raises(UnusableAuthorityError, match="no key of CN=Exprsn Root CA"):
        Authority(root.certificates, None).issue("a", alternative_names("a"), new_key(KeyType.EC), days=1)


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
@pytest.mark.parametrize("name", ["exprsn-timeline", "localhost"])
def test_openssl_accepts_it_strictly(verify: Callable[..., str], purpose: str, name: str) -> None:
    """`openssl verify -x509_strict` with only ca-cert.pem, as a server's and as a client's certificate."""
    assert verify(name, "-purpose", purpose).endswith(": OK")


@pytest.mark.parametrize("host", ["localhost", "timeline", "exprsn-timeline", "timeline.localhost"])
def test_openssl_accepts_its_names(verify: Callable[..., str], host: str) -> None:
    """Each name is one that a client may have connected to."""
    assert verify("exprsn-timeline", "-verify_hostname", host).endswith(": OK")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_openssl_accepts_its_addresses(verify: Callable[..., str], address: str) -> None:
    """A client that connects to the address of this machine is served too."""
    assert verify("exprsn-timeline", "-verify_ip", address).endswith(": OK")


def test_openssl_refuses_a_foreign_name(verify: Callable[..., str], store: CertificateStore) -> None:
    """The checks above can fail."""
    assert store.directory.is_dir()
    assert not verify("exprsn-timeline", "-verify_hostname", "example.org").endswith(": OK")
