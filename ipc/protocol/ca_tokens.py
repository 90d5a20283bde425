"""CA tokens: what a person may do, signed by the key of the CA (JWT, RFC 7519), and when that proves something.

The kind of the key decides on the one algorithm that counts: RS256, ES256 or ES384 (RFC 7518, section 3.1). A token is
short-lived, since nobody can revoke it.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, TokenError
from ipc.protocol.ids import new_ulid, ulid_ms
from ipc.protocol.resource_patterns import check_resource_pattern
from ipc.protocol.signed_tokens import check_lifetime, check_times, header_of
from ipc.protocol.tokens import ALGORITHM as BROKER_ALGORITHM
from ipc.protocol.tokens import WeakKeyError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

TYPE: Final = "ca"
VERSION: Final = "1.0"
ISSUER: Final = "exprsn-ca"
AUDIENCE: Final = "exprsn"
MAX_LIFETIME_S: Final = 86_400
MAX_ROLES: Final = 32
_MIN_RSA_BITS: Final = 2048
_ON_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384"}
# No ":", which is in the names that services have as users; no letter that only looks like another.
_SUBJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+\-]{0,127}")
_ROLE: Final = re.compile(r"[a-z][a-z0-9_\-]{0,63}")


class Permissions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be done with the resource."""

    read: bool = False
    write: bool = False
    append: bool = False
    update: bool = False
    delete: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Those that are given."""
        return frozenset(name for name in self.__struct_fields__ if getattr(self, name))


class CAClaims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token says of the person ``sub``. Times are Unix seconds."""

    sub: str
    permissions: Permissions
    resource: str
    roles: tuple[str, ...] = ()
    iat: float
    exp: float
    jti: str
    iss: str
    aud: str
    type: str
    version: str


def new_claims(
    sub: str, *, permissions: Iterable[str], resource: str, roles: Iterable[str] = (), now_s: float, ttl_s: float
) -> CAClaims:
    """Return what a token of a person says from now on, for so many seconds.

    Raises:
        TokenError: TOKEN_INVALID, it would make no sense, and why.

    """
    given = dict.fromkeys(permissions, True)
    if unknown := given.keys() - set(Permissions.__struct_fields__):
        known = ", ".join(Permissions.__struct_fields__)
        raise TokenError(f"there is no permission {', '.join(sorted(unknown))[:100]!r}: those of people are {known}")
    claims = CAClaims(
        sub=sub,
        permissions=Permissions(**given),
        resource=resource,
        roles=tuple(dict.fromkeys(roles)),
        iat=now_s,
        exp=now_s + ttl_s,
        jti=new_ulid(),
        iss=ISSUER,
        aud=AUDIENCE,
        type=TYPE,
        version=VERSION,
    )
    check_form(claims)
    return claims


@dataclass(frozen=True, slots=True)
class CAKey:
    """The public key of a CA, its name in the headers of tokens, and the only algorithm that it verifies with."""

    id: str
    algorithm: str
    public: PublicKey

    @classmethod
    def of(cls, key: object) -> "CAKey":
        """Return the key.

        Raises:
            WeakKeyError: it is neither RSA of 2048 bits or more nor EC on P-256 or P-384.

        """
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
            return cls(_id(key), "RS256", key)
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _ON_CURVES:
            return cls(_id(key), _ON_CURVES[key.curve.name], key)
        raise WeakKeyError("the key of the CA is neither RSA of 2048 bits or more nor EC on P-256 or P-384")

    def verify(self, token: str) -> CAClaims:
        """Return what a token says, if the CA has signed it.

        Raises:
            TokenError: TOKEN_INVALID, it is no token, too large, or the CA has not signed it.

        """
        header = header_of(token)
        if (alg := header.get("alg")) != self.algorithm:
            # Said for whoever has mixed the kinds up: nothing is taken for what it looks like.
            seems = (
                "; this one looks like a broker token, which counts at the bridge" if alg == BROKER_ALGORITHM else ""
            )
            raise TokenError(f"a CA token is signed with {self.algorithm} here, and nothing else is taken{seems}")
        if header.get("kid", self.id) != self.id:
            raise TokenError("the token is signed with another key than that of this CA")
        try:
            payload = jwt.api_jws.PyJWS().decode(token, self.public, algorithms=[self.algorithm])
        except jwt.InvalidTokenError as error:
            raise TokenError("the signature of the token is not the CA's") from error
        try:
            return msgspec.json.decode(payload, type=CAClaims)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise TokenError(f"the token does not say what a CA token says: {error}") from error


def sign(claims: CAClaims, key: PrivateKey) -> str:
    """Return the token that says it.

    Raises:
        WeakKeyError: as for `CAKey.of`.
        TokenError: TOKEN_INVALID, it would be too large for its readers.

    """
    ca_key = CAKey.of(key.public_key())
    header = {"alg": ca_key.algorithm, "typ": "JWT", "kid": ca_key.id}
    token: str = jwt.api_jws.PyJWS().encode(
        msgspec.json.encode(claims), key, algorithm=ca_key.algorithm, headers=header
    )
    ca_key.verify(token)
    return token


def check_claims(claims: CAClaims, *, now_s: float) -> None:
    """Refuse a token that is signed, but proves nothing now, in Unix seconds.

    Raises:
        TokenError: with the code of what is wrong.

    """
    check_form(claims)
    check_times(issued_s=claims.iat, expires_s=claims.exp, now_s=now_s)


def check_form(claims: CAClaims) -> None:
    """Refuse what no CA token says, whenever and wherever it is read.

    Raises:
        TokenError: TOKEN_INVALID, or TOKEN_WRONG_TARGET, with what is wrong.

    """
    if claims.type != TYPE or claims.version != VERSION:
        kind = f"{claims.type[:20]!r} {claims.version[:20]!r}"
        raise TokenError(f"this is a token of the type {kind}, not {TYPE!r} {VERSION!r}")
    if claims.iss != ISSUER:
        raise TokenError(f"the token is not from {ISSUER}")
    if claims.aud != AUDIENCE:
        raise TokenError(f"the token is not for {AUDIENCE}", code=ErrorCode.TOKEN_WRONG_TARGET)
    if not _SUBJECT.fullmatch(claims.sub):
        raise TokenError("the token's sub is no user: 1 to 128 of a-z, A-Z, 0-9, '_', '.', '@', '+' and '-'")
    if len(claims.roles) > MAX_ROLES or not all(_ROLE.fullmatch(role) for role in claims.roles):
        raise TokenError(f"the token's roles are at most {MAX_ROLES} words of a-z, 0-9, '_' and '-'")
    if ulid_ms(claims.jti) is None:
        raise TokenError("the token's jti is none: it is a ULID")
    check_lifetime(claims.exp - claims.iat, most_s=MAX_LIFETIME_S)
    try:
        check_resource_pattern(claims.resource)
    except BadMessageError as error:
        raise TokenError(f"the token's resource is wrong: {error.message}") from error


def _id(key: PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]
