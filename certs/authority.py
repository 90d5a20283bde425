"""The certificate authority: makes itself, and signs the certificates of services (RFC 5280)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import UnusableAuthorityError
from certs.names import AlternativeName
from certs.pair import KeyType, PrivateKey

# NIST SP 800-57 part 1, table 2: RSA-2048 ends with 2030, inside the CA's ten years; 3072 does not, and is made in a
# fraction of 4096's time.
_CA_RSA_BITS: Final = 3072
_CA_LIFETIME: Final = timedelta(days=3650)
# A machine whose clock is a little slow accepts a certificate that was just made.
_CLOCK_SKEW: Final = timedelta(hours=1)


def _name(common_name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Exprsn")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


ROOT_NAME: Final = _name("Exprsn Root CA")


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: its certificates from the one that signs up to the root, and its key where this machine has it."""

    certificates: tuple[x509.Certificate, ...]
    key: PrivateKey | None

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that signs."""
        return self.certificates[0]

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What a server sends behind its certificate: all but the root, which its clients have."""
        return self.certificates[:-1]

    def signed(self, certificate: x509.Certificate) -> bool:
        """Say whether the certificate is this CA's work."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue(
        self, common_name: str, names: Iterable[AlternativeName], key: PrivateKey, *, days: int
    ) -> x509.Certificate:
        """Sign a certificate for a server that is a client too; it ends with the CA at the latest.

        Raises:
            UnusableAuthorityError: the CA's key is not here.

        """
        if self.key is None:
            raise UnusableAuthorityError(f"there is no key of {self.certificate.subject.rfc4514_string()} to sign with")
        now = datetime.now(UTC)
        end = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        builder = (
            _builder(_name(common_name), self.certificate.subject, key, start=now - _CLOCK_SKEW, end=end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            # Only RSA key exchange enciphers with the certificate's key (RFC 8422, 5.3: an EC key only signs).
            .add_extension(
                _key_usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey)), critical=True
            )
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(_authority_key_identifier(self.certificate), critical=False)
        )
        return builder.sign(self.key, _digest(self.key))


def new_root_key(key_type: KeyType) -> PrivateKey:
    """Make a root CA's key: RSA-3072, or EC on P-384."""
    if key_type is KeyType.EC:
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, _CA_RSA_BITS)


def root_of(key: PrivateKey) -> Authority:
    """Sign a root CA for ten years; with the key of an earlier one, what that has signed stays valid."""
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(ROOT_NAME, ROOT_NAME, key, start=now - _CLOCK_SKEW, end=now + _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        # It signs tokens too, not only certificates.
        .add_extension(_key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
    )
    return Authority((builder.sign(key, _digest(key)),), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, *, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    # RFC 5280, 4.2.1.1: it equals the issuer's subject key identifier, which a company's CA may compute in its own way.
    try:
        extension = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound as error:
        name = issuer.subject.rfc4514_string()
        raise UnusableAuthorityError(f"the CA {name} has no subject key identifier, which RFC 5280 demands") from error
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:  # noqa: PLR2004 - P-256's bits
        return hashes.SHA384()
    return hashes.SHA256()
