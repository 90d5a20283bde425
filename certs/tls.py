"""TLS 1.2 or newer with modern ciphers: contexts of Python's ssl module, and of Twisted for daphne."""

import ssl
from pathlib import Path
from typing import Final

from certs.pair import Pair

# Forward secrecy and authenticated encryption only (RFC 9325, 4.2); TLS 1.3 has only such.
CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


def server_context(certificate_path: Path, key_path: Path) -> ssl.SSLContext:
    """Return a server's context, for uvicorn or asyncio.

    Raises:
        OSError, ssl.SSLError: the files cannot be read or do not match; `HTTPSServerManager` says it in a sentence.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _modern(context)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(certificate_path, key_path)
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(ca_path: Path) -> ssl.SSLContext:
    """Return a client's context, for httpx, websockets or asyncio, that trusts this CA and no other.

    Raises:
        OSError, ssl.SSLError: the file cannot be read or holds no certificate.

    """
    context = ssl.create_default_context(cafile=str(ca_path))
    _modern(context)
    return context


def _modern(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)


def twisted_options(pair: Pair) -> object:
    """Return Twisted's context factory for a pair, with its chain."""
    # Twisted is imported with the first server and not with this module: clients need none, and the import of its
    # reactor has to wait for daphne's.
    from OpenSSL import SSL, crypto
    from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion

    options = CertificateOptions(
        privateKey=crypto.PKey.from_cryptography_key(pair.key),
        certificate=crypto.X509.from_cryptography(pair.certificate),
        extraCertChain=[crypto.X509.from_cryptography(certificate) for certificate in pair.chain],
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),  # type: ignore[no-untyped-call]  # Twisted's
    )
    # A client could make a TLS 1.2 server work at will by renegotiating; Twisted leaves it on.
    options.getContext().set_options(SSL.OP_NO_RENEGOTIATION)
    return options
