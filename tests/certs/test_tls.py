"""The ssl contexts, by real handshakes with each other and with openssl's idea of TLS 1.1."""

import asyncio
import contextlib
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from certs.pair import PrivateKey
from certs.store import CertificateStore
from certs.tls import client_context, server_context, twisted_options
from tests.certs import companies

SERVERS = ExtendedKeyUsageOID.SERVER_AUTH


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


def verdict(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Return what the server has against the client, or nothing."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = server.wrap_bio(to_server, to_client, server_side=True)
    there = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for side in (there, here, there):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    try:
        here.do_handshake()
    except ssl.SSLError as error:
        return str(error)
    return ""


def asking(store: CertificateStore, authority: x509.Certificate) -> ssl.SSLContext:
    name = "exprsn-bridge"
    return server_context(store.certificate_path(name), store.key_path(name), client_authority=authority)


def test_a_server_that_asks_takes_its_own_ca_only(store: CertificateStore, tmp_path: Path) -> None:
    """And says why it does not."""
    (authority, *_), key = present(store)
    server, ca_path = asking(store, authority), store.certificate_path("ca")
    assert "did not return a certificate" in verdict(server, client_context(ca_path))
    own = store.certificate_path("exprsn-timeline"), store.key_path("exprsn-timeline")
    assert verdict(server, client_context(ca_path, shown=own)) == ""
    for made, words in (
        (companies.make("exprsn-timeline", ca=False), "self-signed certificate"),
        (companies.make("exprsn-timeline", ca=False, issuer=companies.make("Root")), "unable to get"),
        (companies.make("exprsn-timeline", ca=False, issuer=(authority, key), days=-1), "has expired"),
        (companies.make("exprsn-timeline", ca=False, issuer=(authority, key), purpose=SERVERS), "purpose"),
    ):
        shown = companies.write(tmp_path, made[1], made[0])
        assert words in verdict(server, client_context(ca_path, shown=shown))


# Twisted hands certificates to pyOpenSSL in the old way.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
def test_what_else_a_companys_root_has_signed_is_not_taken(store: CertificateStore, tmp_path: Path) -> None:
    """Only what the intermediate that signs for the services has signed, by either kind of server."""
    root = companies.make("Root")
    ours, other = companies.make("Ours", issuer=root), companies.make("Laptops", issuer=root)
    for issuer, is_taken in ((ours, True), (other, False)):
        certificate, key = companies.make("exprsn-timeline", ca=False, issuer=issuer)
        shown = companies.write(tmp_path, key, certificate, issuer[0], root[0])
        client = client_context(store.certificate_path("ca"), shown=shown)
        assert (verdict(asking(store, ours[0]), client) == "") is is_taken
        context = twisted_options(store.read("exprsn-bridge"), client_authority=ours[0]).getContext()  # type: ignore[attr-defined]  # Twisted's
        assert twisted_takes(context, client) is is_taken


def twisted_takes(context: SSL.Context, client: ssl.SSLContext) -> bool:
    here = SSL.Connection(context)
    here.set_accept_state()
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = client.wrap_bio(to_client, from_client, server_hostname="localhost")
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            there.do_handshake()
        if sent := from_client.read():
            here.bio_write(sent)
        try:
            here.do_handshake()
        except SSL.WantReadError:
            to_client.write(here.bio_read(65536))
        except SSL.Error:
            return False
        else:
            return True
    raise AssertionError("the handshake does not end")


def test_a_key_with_a_password_is_not_asked_for_on_the_terminal(store: CertificateStore) -> None:
    """A server or a service has none; it fails instead."""
    key = store.read("exprsn-timeline").key
    path = store.key_path("exprsn-timeline")
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(ssl.SSLError):
        client_context(store.certificate_path("ca"), shown=(store.certificate_path("exprsn-timeline"), path))


def present(store: CertificateStore) -> tuple[tuple[x509.Certificate, ...], PrivateKey]:
    authority = store.read_authority()
    assert authority is not None
    certificates, key = authority
    assert key is not None
    return certificates, key
