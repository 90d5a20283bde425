"""A company's own CA, from its files: which certificate signs, and whether it may."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certs.authority import Authority
from certs.errors import PairMismatchError, UnusableAuthorityError
from certs.pair import belong_together, check_dates, read_certificates, read_key


def company_authority(certificate_path: Path, key_path: Path, *, password: bytes | None = None) -> Authority:
    """Return the CA of two files; an intermediate's file holds the certificates up to the root too, in any order.

    Raises:
        CertificateError: a file cannot be read, the key is of none of the certificates, or they may not sign.

    """
    certificates = read_certificates(certificate_path)
    key = read_key(key_path, password=password)
    signers = [certificate for certificate in certificates if belong_together(certificate, key)]
    if not signers:
        raise PairMismatchError(f"{key_path} is not the key of a certificate in {certificate_path}")
    chain = _up_to_the_root(signers[0], certificates, certificate_path)
    for below, certificate in enumerate(chain):
        _check_may_sign(certificate, certificate_path, below=below)
        check_dates(certificate, certificate_path, advice="give a CA that is still valid")
    return Authority(chain, key)


def _up_to_the_root(
    signer: x509.Certificate, certificates: Sequence[x509.Certificate], path: Path
) -> tuple[x509.Certificate, ...]:
    chain = [signer]
    while chain[-1].issuer != chain[-1].subject:
        issuers = [one for one in certificates if one not in chain and _issued(one, chain[-1])]
        if not issuers:
            raise UnusableAuthorityError(
                f"{path} ends at {chain[-1].subject.rfc4514_string()}: add the certificate of its issuer,"
                f" {chain[-1].issuer.rfc4514_string()}, and so on up to the root"
            )
        chain.append(issuers[0])
    return tuple(chain)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_may_sign(certificate: x509.Certificate, path: Path, *, below: int) -> None:
    """Refuse what is no CA; ``below`` is how many CAs are between it and the services (RFC 5280, 4.2.1.9)."""
    name = certificate.subject.rfc4514_string()
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        raise UnusableAuthorityError(f"{name} in {path} is not a CA: its basic constraints do not say so")
    if constraints.path_length is not None and constraints.path_length < below:
        raise UnusableAuthorityError(f"{name} in {path} allows {constraints.path_length} CAs below it, not {below}")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise UnusableAuthorityError(f"{name} in {path} may not sign certificates: its key usage does not say so")
