"""All certificates of the directory, and what is wrong with those that cannot be read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from certs.errors import CertificateError
from certs.info import CertificateInfo, describe
from certs.names import CA, LOCALHOST
from certs.pair import read_certificates
from certs.store import CertificateStore

ROOT: Final = "root"
"""What the certificate of the CA is asked for by."""


def all_names(services: Iterable[str]) -> list[str]:
    """Return the names of the certificates that a mesh of some services has."""
    return [ROOT, LOCALHOST, *services]


def certificate_path(store: CertificateStore, name: str) -> Path:
    """Return where the certificate of one of these names is."""
    return store.certificate_path(CA if name == ROOT else name)


def read_all(store: CertificateStore, names: Iterable[str]) -> tuple[list[CertificateInfo], list[str]]:
    """Return the figures of certificates, and a sentence about each that is missing or unreadable."""
    found: list[CertificateInfo] = []
    problems: list[str] = []
    with store.reading():
        for name in names:
            try:
                certificates = read_certificates(certificate_path(store, name))
            except CertificateError as error:
                problems.append(str(error))
            else:
                found.append(describe(name, certificates[0]))
    return found, problems
