"""Assertions: a service proves with its certificate who it is (a JWT signed by its key, the certificate in ``x5c``).

RFC 7523 describes the way, RFC 7515, section 4.1.6 the header.
"""

import base64
import binascii
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.errors import BadAssertionError

logger = logging.getLogger(__name__)

MAX_BYTES: Final = 16 * 1024
MAX_LIFETIME_S: Final = 60
LEEWAY_S: Final = 5.0
_PARTS: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JTI: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_MIN_RSA_BITS: Final = 2048
_ON_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384"}


@dataclass(frozen=True, slots=True)
class Assertion:
    """That a service is who it says; ``jti`` is good for once."""

    service: str
    jti: str


def verify_assertion(
    text: str, *, authority: x509.Certificate, services: Sequence[str], audience: str, now: datetime
) -> Assertion:
    """Return what an assertion proves.

    Args:
        authority: the certificate of the CA that signs those of services; nobody between it and them is taken.
        services: the full names of the services that there are.
        audience: whom it has to be meant for.
        now: the date.

    Raises:
        BadAssertionError: it proves nothing, and why.

    """
    header = _header(text)
    certificate = _certificate(header)
    _check_chain(certificate, authority, now)
    key = certificate.public_key()
    algorithm = _algorithm(key)
    if header.get("alg") != algorithm:
        raise BadAssertionError(f"the key of this certificate signs with {algorithm}, and nothing else is taken")
    try:
        payload = jwt.api_jws.PyJWS().decode(text, key, algorithms=[algorithm])  # type: ignore[arg-type]  # RSA or EC, as found
        claims = json.loads(payload)
    except jwt.InvalidTokenError as error:
        raise BadAssertionError("the signature is not that of the certificate's key") from error
    except (ValueError, RecursionError) as error:
        raise BadAssertionError("the assertion says no JSON") from error
    return _proved(claims, certificate, services, audience, now.timestamp())


def service_of(certificate: x509.Certificate, services: Sequence[str]) -> str:
    """Return the service that a certificate is of: the only one whose full name is among its DNS names.

    Raises:
        BadAssertionError: it is of none, or of several.

    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        names = []
    found = sorted(set(names) & set(services))
    if len(found) != 1:
        raise BadAssertionError(f"the certificate is of {' and '.join(found) or 'no service'}, not of one service")
    return found[0]


def claimed_service(text: str, services: Sequence[str]) -> str:
    """Return the service that an assertion says to be of, which it need not prove; empty if it names none there is."""
    if len(text) > MAX_BYTES or not _PARTS.fullmatch(text):
        return ""
    try:
        claims = json.loads(jwt.utils.base64url_decode(text.split(".")[1]))
    except (ValueError, RecursionError):
        return ""
    return min(_names_in(claims, services), default="")


def _names_in(claims: Any, services: Sequence[str]) -> set[str]:
    said = [claims.get("iss"), claims.get("sub")] if isinstance(claims, dict) else []
    return {name for name in said if isinstance(name, str) and name in services}


def _proved(
    claims: Any, certificate: x509.Certificate, services: Sequence[str], audience: str, now_s: float
) -> Assertion:
    service = service_of(certificate, services)
    if not isinstance(claims, dict) or claims.get("iss") != service or claims.get("sub") != service:
        said = _names_in(claims, services) - {service}
        raise BadAssertionError(
            f"iss and sub are not {service}, whose certificate this is", impostor=service if said else ""
        )
    if claims.get("aud") != audience:
        raise BadAssertionError(f"aud is not {audience}")
    issued_s, expires_s, jti = claims.get("iat"), claims.get("exp"), claims.get("jti")
    if not _is_number(issued_s) or not _is_number(expires_s):
        raise BadAssertionError("iat and exp are missing, or no numbers")
    if not 0 < expires_s - issued_s <= MAX_LIFETIME_S:
        raise BadAssertionError(f"an assertion is valid for {MAX_LIFETIME_S} s at most")
    if issued_s > now_s + LEEWAY_S:
        raise BadAssertionError("it is from the future: set the clocks of both machines")
    if expires_s <= now_s:
        raise BadAssertionError("it has expired: set the clocks of both machines")
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise BadAssertionError("jti is missing, or not 16 to 64 letters, digits, '-' and '_'")
    return Assertion(service, jti)


def _is_number(value: Any) -> TypeGuard[float]:
    # Also not NaN nor infinite, which json reads.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12  # noqa: PLR2004 - far beyond any date


def _header(text: str) -> dict[str, Any]:
    if len(text) > MAX_BYTES or not _PARTS.fullmatch(text):
        raise BadAssertionError(f"this is no JWT of at most {MAX_BYTES} characters")
    try:
        header = json.loads(jwt.utils.base64url_decode(text.partition(".")[0]))
    except (ValueError, RecursionError) as error:
        raise BadAssertionError("its header is no JSON") from error
    if not isinstance(header, dict) or not header.keys() <= {"alg", "typ", "x5c"}:
        raise BadAssertionError("its header says something else than alg, typ and x5c")
    return header


def _certificate(header: dict[str, Any]) -> x509.Certificate:
    chain = header.get("x5c")
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        raise BadAssertionError("x5c does not have the certificate of the service")
    try:
        return x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
    except (ValueError, binascii.Error) as error:
        raise BadAssertionError("x5c does not begin with a certificate") from error


def _check_chain(certificate: x509.Certificate, authority: x509.Certificate, now: datetime) -> None:
    """Check signature, dates, basic constraints, key usage and purpose (RFC 5280, section 6), right below the CA."""
    verifier = (
        PolicyBuilder().store(Store([authority])).time(now.astimezone(UTC)).max_chain_depth(0).build_client_verifier()
    )
    try:
        verifier.verify(certificate, [])
    except VerificationError as error:
        logger.debug("a certificate was refused: %r", error)
        raise BadAssertionError(
            "the certificate is not one of our CA that holds now: it is signed by another CA, has expired, is not "
            "valid yet, or is for something else"
        ) from error
    except ValueError as error:
        raise BadAssertionError("the certificate cannot be read") from error
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature:
        raise BadAssertionError("the key of this certificate may not sign")


def _algorithm(key: Any) -> str:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _ON_CURVES:
        return _ON_CURVES[key.curve.name]
    raise BadAssertionError("the key of this certificate is neither RSA of 2048 bits nor EC on P-256 or P-384")
