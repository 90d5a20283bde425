"""What a certificate says, for people and for programs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.names import names_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInfo:
    """The figures of a certificate; ``days_left`` is below 0 once it is expired."""

    name: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    days_left: int
    fingerprint: str
    names: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as JSON values; times in ISO 8601."""
        return {
            "name": self.name,
            "subject": self.subject,
            "issuer": self.issuer,
            "notBefore": self.not_before.isoformat(),
            "notAfter": self.not_after.isoformat(),
            "daysLeft": self.days_left,
            "fingerprint": self.fingerprint,
            "names": list(self.names),
        }


def describe(name: str, certificate: x509.Certificate) -> CertificateInfo:
    """Return a certificate's figures; the fingerprint is SHA-256 as openssl writes it."""
    return CertificateInfo(
        name=name,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        days_left=_days_left(certificate.not_valid_after_utc),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        names=tuple(str(name.value) for name in names_of(certificate)),
    )


def _days_left(end: datetime) -> int:
    """Return whole days, so that a new certificate has all of its days and one that ended an hour ago has -1."""
    days = (end - datetime.now(UTC)) / timedelta(days=1)
    return ceil(days) if days > 0 else floor(days)
