"""CAs as companies have them: a root, an intermediate below it, and what is wrong with some."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certs.authority import Authority
from certs.pair import PrivateKey, certificates_to_pem, key_to_pem

Made = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
Issuer = tuple[x509.Certificate, PrivateKey]


def make(
    name: str,
    *,
    issuer: Issuer | None = None,
    ca: bool = True,
    path_length: int | None = None,
    days: float = 400,
    purpose: x509.ObjectIdentifier | None = None,
) -> Made:
    """Make a certificate below the issuer, or a root."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if issuer is None else issuer[1]
    end = datetime.now(UTC) + timedelta(days=days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=800))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(ca=ca), critical=True)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(signer, hashes.SHA256()), key


def company(*, days: float = 400) -> Authority:
    """Make an intermediate CA under a root."""
    root = make("Root", days=days)
    certificate, key = make("Middle", issuer=root, days=days)
    return Authority((certificate, root[0]), key)


def write(directory: Path, key: ec.EllipticCurvePrivateKey, *certificates: x509.Certificate) -> tuple[Path, Path]:
    """Write the two files that --ca-cert and --ca-key take."""
    certificate_path, key_path = directory / "company.pem", directory / "company-key.pem"
    certificate_path.write_bytes(certificates_to_pem(certificates))
    key_path.write_bytes(key_to_pem(key))
    return certificate_path, key_path


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
