"""The directory of certificates: its file names, atomic writes, and one writer at a time."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography import x509

from certs.errors import MissingCertificateError, PairMismatchError
from certs.names import CA
from certs.pair import (
    Pair,
    PrivateKey,
    belong_together,
    certificates_to_pem,
    key_to_pem,
    read_certificates,
    read_key,
    read_pair,
)

_DRAFT: Final = ".draft-"
_PUBLIC: Final = 0o644
_PRIVATE: Final = 0o600


class CertificateStore:
    """Certificates and keys in a directory, as ``<name>-cert.pem`` and ``<name>-key.pem``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock_path = directory / ".lock"

    def certificate_path(self, name: str) -> Path:
        """Where a certificate and its chain are."""
        return self.directory / f"{name}-cert.pem"

    def key_path(self, name: str) -> Path:
        """Where a key is."""
        return self.directory / f"{name}-key.pem"

    def read(self, name: str) -> Pair:
        """Return a pair, whatever its dates.

        Raises:
            CertificateError: a file is missing or unreadable, or the pair is mismatched.

        """
        return read_pair(self.certificate_path(name), self.key_path(name))

    def read_authority_certificate(self) -> x509.Certificate | None:
        """Return the CA's own certificate, for whoever verifies what it has signed, or None where there is no CA yet.

        Raises:
            CertificateError: the file is unreadable.

        """
        try:
            return read_certificates(self.certificate_path(CA))[0]
        except MissingCertificateError:
            return None

    def read_authority(self) -> tuple[tuple[x509.Certificate, ...], PrivateKey | None] | None:
        """Return the CA's certificates and its key if it is here, or None where there is no CA yet.

        Raises:
            CertificateError: a file is unreadable, or the pair is mismatched.

        """
        try:
            certificates = read_certificates(self.certificate_path(CA))
        except MissingCertificateError:
            return None
        try:
            key = read_key(self.key_path(CA))
        except MissingCertificateError:
            return certificates, None
        if not belong_together(certificates[0], key):
            raise PairMismatchError(
                f"{self.key_path(CA)} is not the key of {self.certificate_path(CA)}:"
                " put the right key back, or remove both files for a new CA"
            )
        return certificates, key

    def write(self, name: str, certificates: Sequence[x509.Certificate], key: PrivateKey) -> None:
        """Replace a pair.

        The old certificate goes first and the new one comes last: whenever this stops, there is a matching pair or one
        without its certificate, never a certificate with another's key.
        """
        certificate_path, key_path = self.certificate_path(name), self.key_path(name)
        with self._draft(certificates_to_pem(certificates), _PUBLIC) as certificate_draft:
            with self._draft(key_to_pem(key), _PRIVATE) as key_draft:
                certificate_path.unlink(missing_ok=True)
                key_draft.replace(key_path)
            certificate_draft.replace(certificate_path)
        self._sync_directory()

    def write_certificates(self, name: str, certificates: Sequence[x509.Certificate]) -> None:
        """Replace a certificate whose key stays, or is elsewhere."""
        with self._draft(certificates_to_pem(certificates), _PUBLIC) as draft:
            draft.replace(self.certificate_path(name))
        self._sync_directory()

    def remove_key(self, name: str) -> None:
        """Remove a key that is of no use any more."""
        self.key_path(name).unlink(missing_ok=True)

    def harden_keys(self) -> list[Path]:
        """Take every key that others may read back to mode 0600, and return those."""
        open_keys = [path for path in sorted(self.directory.glob("*-key.pem")) if path.stat().st_mode & 0o077]
        for path in open_keys:
            path.chmod(_PRIVATE)
        return open_keys

    @contextmanager
    def writing(self, *, on_wait: Callable[[], None]) -> Iterator[None]:
        """Be the only writer; makes the directory (0700), waits for another writer, clears what a killed one left.

        The kernel frees the lock of a process that dies, so the wait ends.
        """
        for directory in reversed([self.directory, *self.directory.parents]):
            if not directory.exists():
                directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, _PRIVATE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            for draft in self.directory.glob(f"{_DRAFT}*"):
                draft.unlink()
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep writers away while a pair is read; a directory that this process may not lock has no writer here."""
        try:
            descriptor = os.open(self._lock_path, os.O_RDONLY)
        except OSError:
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _draft(self, data: bytes, mode: int) -> Iterator[Path]:
        # mkstemp makes it 0600, so a key is never open to others, not even for a moment.
        descriptor, name = tempfile.mkstemp(prefix=_DRAFT, dir=self.directory)
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
