"""TLS 1.2 or newer with modern ciphers: contexts of Python's ssl module, and of Twisted for daphne."""

import ssl
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.pair import Pair

# Forward secrecy and authenticated encryption only (RFC 9325, 4.2); TLS 1.3 has only such.
CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


def server_context(
    certificate_path: Path, key_path: Path, *, client_authority: x509.Certificate | None = None
) -> ssl.SSLContext:
    """Return a server's context, for uvicorn or asyncio; with an authority, clients have to show a certificate of it.

    Raises:
        OSError, ssl.SSLError: the files cannot be read or do not match; `HTTPSServerManager` says it in a sentence.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _modern(context)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(certificate_path, key_path)
    context.set_alpn_protocols(["http/1.1"])
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_authority.public_bytes(Encoding.DER))
        # What else the root of a company's CA has signed is no client of ours.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def client_context(ca_path: Path, *, shown: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return a client's context, for httpx, websockets or asyncio, that trusts this CA and no other.

    ``shown`` are the files of the certificate and the key for a server that asks.

    Raises:
        OSError, ssl.SSLError: a file cannot be read or does not hold what it should.

    """
    context = ssl.create_default_context(cafile=str(ca_path))
    _modern(context)
    if shown is not None:
        # Without a password OpenSSL would ask the terminal for that of a key that has one.
        context.load_cert_chain(*shown, password="")
    return context


def _modern(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)


def twisted_options(pair: Pair, *, client_authority: x509.Certificate | None = None) -> object:
    """Return Twisted's context factory for a pair, with its chain.

    With an authority clients have to show a certificate that it has signed, and that is for clients (RFC 5280,
    4.2.1.12): OpenSSL looks at that by itself.
    """
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
    context = options.getContext()
    # A client could make a TLS 1.2 server work at will by renegotiating; Twisted leaves it on.
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    if client_authority is not None:
        _ask_clients(context, client_authority)
    return options


def _ask_clients(context: Any, authority: x509.Certificate) -> None:
    """Ask for certificates here, since Twisted's options would let in what else a company's root has signed."""
    from OpenSSL import SSL, crypto

    store = context.get_cert_store()
    store.add_cert(crypto.X509.from_cryptography(authority))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT | SSL.VERIFY_CLIENT_ONCE)
    # Browsers look for a certificate of those whom the server names.
    context.add_client_ca(authority)
