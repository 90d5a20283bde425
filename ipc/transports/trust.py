"""Whom a client believes to be the bridge."""

import ssl
from pathlib import Path

from ipc.protocol.errors import BadMessageError


def trust_of(ca_file: Path | None) -> ssl.SSLContext:
    """Return what checks the bridge's certificate: against one CA, or against the system's authorities.

    Raises:
        BadMessageError: the CA file cannot be read.

    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BadMessageError(f"the CA file {ca_file} cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
