"""Where a bridge is and whom to trust, as a command line says it; and what is wrong there, in its words."""

import errno
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from certs.tls import client_context
from ipc.transports.trust import Identity, causes, certificate_refusal, show


def bridge_address(url: str) -> str:
    """Return the address of a bridge without a slash at its end.

    Raises:
        ValueError: it is no ``http://`` or ``https://`` address.

    """
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(f"{url!r} is no address of a bridge: write https://host:port")
    return url.rstrip("/")


def socket_address(address: str) -> str:
    """Return the address of a bridge's sockets."""
    return f"ws{address.removeprefix('http')}"


def trusting(ca_file: Path, identity: Identity | None = None) -> ssl.SSLContext:
    """Return what checks the certificate of a bridge, and shows one to a bridge that asks.

    Raises:
        ValueError: the CA file cannot be read.
        IPCError: the certificate cannot be read.

    """
    try:
        context = client_context(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"the CA file {ca_file} cannot be read ({error.strerror or error}): "
            "run manage.py gencerts, or give --ca-file"
        ) from error
    if identity is not None:
        show(context, identity)
    return context


def reason(error: Exception) -> str:
    """Return what is wrong in the words of whoever has to put it right."""
    is_cut = isinstance(error, httpx.ReadError | httpx.RemoteProtocolError) and error.request.url.scheme == "https"
    if refusal := certificate_refusal(error, is_cut=is_cut):
        return f"the bridge {refusal}"
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {cause.verify_message}; give its CA with --ca-file"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS there: {cause.reason}"
        if isinstance(cause, OSError) and (
            cause.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(cause)
        ):
            return "connection refused: is the bridge running there?"
    return str(error) or type(error).__name__
