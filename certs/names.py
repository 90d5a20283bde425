"""The names of services and the names that their certificates are valid for."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from cryptography import x509

from certs.errors import InvalidNameError

CA: Final = "ca"
LOCALHOST: Final = "localhost"
AlternativeName = x509.DNSName | x509.IPAddress

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_LONGEST_DNS_NAME = 253  # RFC 1035, 2.3.4


def short_name(full_name: str) -> str:
    """Return ``timeline`` for ``exprsn-timeline``."""
    return full_name.rpartition("exprsn-")[2]


def resolve(name: str, full_names: Sequence[str]) -> str:
    """Return the full name of a service given by its full or short name; localhost counts as one.

    Raises:
        InvalidNameError: there is no such service.

    """
    for full_name in (*full_names, LOCALHOST):
        if name in {full_name, short_name(full_name)}:
            return full_name
    known = ", ".join(sorted(short_name(full_name) for full_name in full_names))
    raise InvalidNameError(f"there is no service {name!r}: it is one of {known}, or {LOCALHOST}")


def alternative_names(full_name: str) -> tuple[AlternativeName, ...]:
    """Return the names each certificate has: this machine's, and the service's own.

    The service's names under ``.localhost`` are written out because OpenSSL matches no wildcard right below a top-level
    domain (X509_check_host).
    """
    names: list[AlternativeName] = [x509.DNSName(LOCALHOST), x509.DNSName(f"*.{LOCALHOST}")]
    if full_name != LOCALHOST:
        own = (full_name, short_name(full_name))
        names += [x509.DNSName(name) for name in (*own, *(f"{name}.{LOCALHOST}" for name in own))]
    return (*names, x509.IPAddress(IPv4Address("127.0.0.1")), x509.IPAddress(IPv6Address("::1")))


def parse_alternative_name(text: str) -> AlternativeName:
    """Return a further name, an IP address or a DNS name (``*.`` may lead).

    Raises:
        InvalidNameError: it is neither.

    """
    try:
        return x509.IPAddress(ip_address(text.strip("[]")))
    except ValueError:
        pass
    name = text.lower()
    if len(name) > _LONGEST_DNS_NAME or not _DNS_NAME.fullmatch(name):
        raise InvalidNameError(
            f"{text!r} is neither an IP address nor a DNS name (international names in their xn-- form)"
        )
    return x509.DNSName(name)


def names_of(certificate: x509.Certificate) -> tuple[AlternativeName, ...]:
    """Return the DNS names and addresses a certificate is valid for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name for name in extension.value if isinstance(name, x509.DNSName | x509.IPAddress))


def united(*groups: Iterable[AlternativeName]) -> tuple[AlternativeName, ...]:
    """Return all names once, in order."""
    return tuple(dict.fromkeys(name for group in groups for name in group))
