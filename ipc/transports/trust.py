"""Whom a client believes to be the bridge, and the certificate that it shows to a bridge that asks for one."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ipc.protocol.errors import LOST, ConfigurationError, ConnectionClosedError

LOCALHOST: Final = "localhost"
"""The name of the certificate that belongs to a machine and to no service: whoever shows it proves no more."""
_NO_CERTIFICATE: Final = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
_NOT_TAKEN: Final = ("CERTIFICATE", "UNKNOWN_CA")


@dataclass(frozen=True, slots=True)
class Identity:
    """The PEM files of a certificate, with its chain, and of its key."""

    certificate_file: Path
    key_file: Path

    def __str__(self) -> str:
        return f"{self.certificate_file} or {self.key_file}"


def identity_of(certs_dir: Path | None, *names: str) -> Identity | None:
    """Return the first certificate of these names that is in a directory with its key, or None."""
    if certs_dir is None:
        return None
    for name in names:
        identity = Identity(certs_dir / f"{name}-cert.pem", certs_dir / f"{name}-key.pem")
        if _is_there(identity.certificate_file) and _is_there(identity.key_file):
            return identity
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def trust_of(ca_file: Path | None, *, shown: Identity | None = None) -> ssl.SSLContext:
    """Return what checks the bridge's certificate: against one CA, or against the system's authorities.

    Args:
        ca_file: the CA, or None.
        shown: the certificate for a bridge that asks for one; one that does not ask never sees it.

    Raises:
        ConfigurationError: the CA file or those of the certificate cannot be read.
        ConnectionClosedError: certificate and key are being renewed, try again.

    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"the CA file {ca_file} cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if shown is not None:
        show(context, shown)
    return context


def show(context: ssl.SSLContext, identity: Identity) -> None:
    """Have a certificate shown to a server that asks for one; what this user may not read is not shown.

    Raises:
        ConfigurationError: a file holds something else.
        ConnectionClosedError: certificate and key are being renewed, try again.

    """
    try:
        # Without a password OpenSSL would ask the terminal for that of a key that has one.
        context.load_cert_chain(identity.certificate_file, identity.key_file, password="")
    except FileNotFoundError as error:
        raise ConnectionClosedError(LOST, f"{identity} is gone: is it being renewed?") from error
    except PermissionError:
        return
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"{identity.key_file} is not the key of {identity.certificate_file}: is it being renewed?"
            raise ConnectionClosedError(LOST, why) from error
        raise ConfigurationError(f"{identity} cannot be read: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"{identity} cannot be read: {error}") from error


def certificate_refusal(error: BaseException, *, is_cut: bool = False) -> str | None:
    """Say what a bridge has against the certificate that it was shown, or None where that is not what failed.

    Args:
        is_cut: whether a connection over TLS ended before the first answer: the reason may be lost with it, and
            uvicorn gives none.

    """
    for cause in causes(error):
        if not isinstance(cause, ssl.SSLError) or isinstance(cause, ssl.SSLCertVerificationError):
            continue
        if cause.reason == _NO_CERTIFICATE:
            return "asks for a certificate: put that of the service and its key, both readable here, into CERTS_DIR"
        if any(word in (cause.reason or "") for word in _NOT_TAKEN):
            return f"does not take the certificate of this service ({cause.reason}): renew it, by the bridge's CA"
    if is_cut:
        why = str(error) or type(error).__name__
        return f"cannot be reached: {why}; if it asks for certificates, put one of its CA into CERTS_DIR"
    return None


def out_of_reach(error: BaseException, *, is_cut: bool, is_plain: bool) -> str:
    """Say why a bridge cannot be reached, with what may be wrong on this side.

    Args:
        error: what the connection failed with.
        is_cut: whether the connection ended before the first answer.
        is_plain: whether it was one without TLS.

    """
    if not is_plain and (refusal := certificate_refusal(error, is_cut=is_cut)) is not None:
        return refusal
    hint = "; is it a bridge with TLS? Then write wss:// instead of ws://" if is_plain and is_cut else ""
    return f"cannot be reached: {str(error) or type(error).__name__}{hint}"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that it came from."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from causes(member)
        error = error.__cause__ or error.__context__
