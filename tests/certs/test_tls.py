"""The ssl contexts, by real handshakes with each other and with openssl's idea of TLS 1.1."""

import asyncio
import ssl
import warnings
from pathlib import Path

import pytest

from certs.store import CertificateStore
from certs.tls import client_context, server_context


async def handshake(server: ssl.SSLContext, client: ssl.SSLContext, *, name: str = "localhost") -> ssl.SSLObject:
    """Connect, and return what the client then knows."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listening, asyncio.timeout(10):
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        await reader.read()
        secured: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.close()
        return secured


@pytest.fixture
def server(store: CertificateStore) -> ssl.SSLContext:
    """Timeline's context."""
    return server_context(store.certificate_path("exprsn-timeline"), store.key_path("exprsn-timeline"))


@pytest.fixture
def client(store: CertificateStore) -> ssl.SSLContext:
    """That of a client that has only ca-cert.pem."""
    return client_context(store.certificate_path("ca"))


@pytest.mark.parametrize("name", ["localhost", "timeline", "exprsn-timeline", "127.0.0.1", "::1", "timeline.localhost"])
async def test_a_client_with_only_the_ca_accepts(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Under each of the service's names and addresses, strictly, and as TLS 1.3 where both can."""
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert (await handshake(server, client, name=name)).version() == "TLSv1.3"


async def test_tls_1_2_is_spoken_with_forward_secrecy(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """An older client gets an ephemeral key exchange and authenticated encryption."""
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    secured = await handshake(server, client)
    assert secured.version() == "TLSv1.2"
    cipher = secured.cipher()
    assert cipher is not None
    assert cipher[0].startswith("ECDHE-")
    assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


def old_client(ca_path: Path) -> ssl.SSLContext:
    """A client that would speak TLS 1.1, with every cipher that it has."""
    context = ssl.create_default_context(cafile=str(ca_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_tls_1_1_is_refused_by_the_server(server: ssl.SSLContext, store: CertificateStore) -> None:
    """The version is the reason."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = old_client(store.certificate_path("ca")).wrap_bio(to_client, to_server, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLError, match=r"unsupported protocol"):
        server.wrap_bio(to_server, to_client, server_side=True).do_handshake()


async def test_a_client_of_another_ca_refuses(server: ssl.SSLContext) -> None:
    """The machine's own list of CAs does not know ours."""
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, ssl.create_default_context())


async def test_a_foreign_name_is_refused(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """A certificate is good for its own names only."""
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, client, name="vault")
