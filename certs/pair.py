"""A certificate, its chain and its private key: reading PEM, writing PEM, and whether they belong together."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from certs.errors import ExpiredCertificateError, MissingCertificateError, PairMismatchError, UnreadableCertificateError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_F4: Final = 65537
_LARGEST_FILE: Final = 1024 * 1024


class KeyType(StrEnum):
    """The kinds of key that are made here."""

    RSA = "rsa"
    EC = "ec"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key; ``chain`` is what a server sends behind its certificate."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()


def new_key(key_type: KeyType) -> PrivateKey:
    """Make a service's key: RSA-2048, or EC on P-256."""
    if key_type is KeyType.EC:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(_F4, 2048)


def key_type_of(key: PrivateKey) -> KeyType:
    """Return which kind of key it is."""
    return KeyType.EC if isinstance(key, ec.EllipticCurvePrivateKey) else KeyType.RSA


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Return a PEM file's certificates, at least one.

    Raises:
        MissingCertificateError: there is no such file.
        UnreadableCertificateError: it cannot be read, or is no PEM of certificates.

    """
    data = _read(path)
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError as error:
        raise UnreadableCertificateError(f"{path} holds no PEM certificate: {error}") from error


def read_key(path: Path, *, password: bytes | None = None) -> PrivateKey:
    """Return a PEM file's private key.

    Raises:
        MissingCertificateError: there is no such file.
        UnreadableCertificateError: it cannot be read, is no RSA or EC key, or needs another password.

    """
    data = _read(path)
    try:
        key = load_pem_private_key(data, password)
    except TypeError as error:  # cryptography's word for a password that is missing, or not needed
        advice = "set CA_KEY_PASSWORD" if password is None else "unset CA_KEY_PASSWORD"
        raise UnreadableCertificateError(
            f"{path} is {'' if password is None else 'not '}encrypted: {advice}"
        ) from error
    except ValueError as error:
        reason = "is no PEM private key" if password is None else "is no PEM private key, or has another password"
        raise UnreadableCertificateError(f"{path} {reason}") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnreadableCertificateError(f"{path} is neither an RSA nor an EC key")
    return key


def read_pair(certificate_path: Path, key_path: Path) -> Pair:
    """Return a certificate with its chain and key, whatever its dates.

    Raises:
        MissingCertificateError, UnreadableCertificateError: as for its files.
        PairMismatchError: the key is another certificate's.

    """
    certificate, *chain = read_certificates(certificate_path)
    key = read_key(key_path)
    if not belong_together(certificate, key):
        raise PairMismatchError(f"{key_path} is not the key of {certificate_path}")
    return Pair(certificate, key, tuple(chain))


def belong_together(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Say whether the key is the certificate's."""
    return _public_bytes(certificate) == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_dates(certificate: x509.Certificate, path: Path, *, advice: str) -> None:
    """Refuse a certificate that is not valid now.

    Raises:
        ExpiredCertificateError: with the date and the advice.

    """
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        raise ExpiredCertificateError(f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: {advice}")
    if now < certificate.not_valid_before_utc:
        raise ExpiredCertificateError(
            f"{path} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: set this machine's clock"
        )


def certificates_to_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as one PEM text."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_to_pem(key: PrivateKey) -> bytes:
    """Return a key as unencrypted PKCS 8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST_FILE)
    except FileNotFoundError as error:
        raise MissingCertificateError(f"there is no {path}") from error
    except OSError as error:
        raise UnreadableCertificateError(f"{path} cannot be read: {error.strerror}") from error
