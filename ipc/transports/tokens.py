"""Where a transport has its broker token from: a certificate that it shows the bridge, or the environment."""

import asyncio
import base64
import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import LOST, ConfigurationError, ConnectionClosedError, error_from_code
from ipc.protocol.ids import new_ulid
from ipc.protocol.services import full_name
from ipc.transports.trust import Identity, identity_of, out_of_reach, trust_of

PATH: Final = "/api/ipc/tokens"
ASK_TIMEOUT_S: Final = 10.0
ASSERTION_S: Final = 60
RENEW_AFTER: Final = 2 / 3
"""The part of its time after which a token is renewed: a bridge that is away for a while costs nothing."""
logger = logging.getLogger(__name__)
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384"}


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A token, and the moment from which on another one is wanted; 0 for never."""

    text: str
    renew_at: float = 0.0
    expires_at: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has expired, as far as that is known here."""
        return 0 < self.expires_at <= time.monotonic()


class TokenSource(Protocol):
    """Gives tokens."""

    async def token(self) -> Token:
        """Return a token that holds.

        Raises:
            ConnectionClosedError: none can be had right now, try again.
            IPCError: the bridge gives none.

        """


class GivenToken:
    """A token that somebody has made, such as an operator with ``manage.py brokertoken``."""

    def __init__(self, text: str) -> None:
        self._token = Token(text)

    async def token(self) -> Token:
        """Return it."""
        return self._token


class CertificateTokens:
    """Tokens that a bridge gives for a certificate; nothing secret leaves this process.

    Args:
        bridge_url: of the bridge, ``wss://host:port``.
        service: whose certificate it is.
        certificate_file, key_file: both as PEM; they are read for each token, so they may be renewed.
        ca_file: the CA that signed the bridge's certificate; without it the system's authorities count.

    """

    def __init__(
        self, bridge_url: str, service: str, *, certificate_file: Path, key_file: Path, ca_file: Path | None
    ) -> None:
        parts = urlsplit(bridge_url)
        self._url = f"{'http' if parts.scheme == 'ws' else 'https'}://{parts.netloc}{PATH}"
        self._service = full_name(service)
        self._identity = Identity(certificate_file, key_file)
        self._ca_file = ca_file
        self._token: Token | None = None

    async def token(self) -> Token:
        """Return a token that holds, a new one when the last one has had most of its time.

        Raises:
            ConnectionClosedError: the bridge cannot be reached, or cannot answer right now.
            ConfigurationError: the files cannot be read, or what answers is no bridge.
            IPCError: the bridge gives none.

        """
        if self._token is None or time.monotonic() >= self._token.renew_at:
            self._token = await self._new()
        return self._token

    async def _new(self) -> Token:
        assertion = await asyncio.to_thread(self._assertion)
        began = time.monotonic()
        answer = await self._ask(assertion)
        try:
            found = msgspec.json.decode(answer, type=_Answer).data
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{self._url} answers something else than a token ({error}): is BRIDGE_URL that of a bridge?"
            ) from error
        holds_s = found.expires_in_ms / 1000
        return Token(found.token, began + holds_s * RENEW_AFTER, began + holds_s)

    async def _ask(self, assertion: str) -> bytes:
        # Imported late: whoever has no certificate, or no bridge, need not pay for it.
        import httpx

        is_plain = self._url.startswith("http:")
        trust = False if is_plain else trust_of(self._ca_file, shown=self._identity)
        timeouts = {"timeout": httpx.Timeout(ASK_TIMEOUT_S).as_dict()}
        request = httpx.Request("POST", self._url, json={"assertion": assertion}, extensions=timeouts)
        try:
            # A client would write a line into the log of the service for each token.
            async with httpx.AsyncHTTPTransport(verify=trust, trust_env=False) as transport:
                answer = await transport.handle_async_request(request)
                await answer.aread()
        except (httpx.HTTPError, ssl.SSLError) as error:
            is_cut = isinstance(error, httpx.ReadError | httpx.RemoteProtocolError)
            why = out_of_reach(error, is_cut=is_cut, is_plain=is_plain)
            raise ConnectionClosedError(LOST, f"{self._url} {why}") from error
        if answer.status_code in _AGAIN:
            raise ConnectionClosedError(LOST, f"{self._url} gives no token right now: HTTP {answer.status_code}")
        if not answer.is_success:
            raise _refusal(self._url, answer.status_code, answer.content)
        return answer.content

    def _assertion(self) -> str:
        """Return the proof of who this is, good for a minute and for once."""
        try:
            certificates = x509.load_pem_x509_certificates(self._identity.certificate_file.read_bytes())
            key = load_pem_private_key(self._identity.key_file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{self._identity} cannot be read: {error}") from error
        now_s = int(time.time())
        claims = {
            "iss": self._service,
            "sub": self._service,
            "aud": full_name("bridge"),
            "iat": now_s,
            "exp": now_s + ASSERTION_S,
            "jti": new_ulid(),
        }
        chain = [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates]
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS:
            return jwt.encode(claims, key, algorithm=_ALGORITHMS[key.curve.name], headers={"x5c": chain})
        if isinstance(key, rsa.RSAPrivateKey):
            return jwt.encode(claims, key, algorithm="RS256", headers={"x5c": chain})
        raise ConfigurationError(f"{self._identity.key_file} is neither an RSA key nor one of P-256 or P-384")


def token_source(
    given: str, bridge_url: str, service: str, *, certs_dir: Path | None, ca_file: Path | None
) -> TokenSource | None:
    """Return where tokens come from: the service's certificate, a given one, or nowhere, as in development.

    A token that is given beside a certificate is not used, which is logged: it may have been meant to permit less.
    """
    name = full_name(service)
    if (identity := identity_of(certs_dir, name)) is not None:
        if given:
            logger.warning(
                "IPC_TOKEN is not used, since %s proves who %s is, with all that IPC_PERMISSIONS of the bridge gives"
                " it: unset IPC_TOKEN, or for the token's rights let CERTS_DIR have no certificate of the service",
                identity.certificate_file,
                name,
            )
        return CertificateTokens(
            bridge_url,
            name,
            certificate_file=identity.certificate_file,
            key_file=identity.key_file,
            ca_file=ca_file,
        )
    return GivenToken(given) if given else None


class _Given(msgspec.Struct, rename="camel"):
    token: str
    expires_in_ms: int


class _Answer(msgspec.Struct):
    data: _Given


class _Problem(msgspec.Struct):
    error: str = ""
    message: str = ""


def _refusal(url: str, status: int, body: bytes) -> Exception:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem()
    if problem.error in {"", ErrorCode.NOT_FOUND}:
        return ConfigurationError(f"{url} gives no token: HTTP {status}: is BRIDGE_URL that of a bridge?")
    return error_from_code(problem.error, f"{url} gives no token: {problem.message}")
