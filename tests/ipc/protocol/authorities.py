"""Keys of CAs of every kind, and tokens that are signed with them as no code of ours would."""

from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ipc.protocol.ca_tokens import CAClaims, PrivateKey, new_claims

NOW_S: Final = 1_800_000_000.0
RSA: Final = rsa.generate_private_key(65537, 2048)
P256: Final = ec.generate_private_key(ec.SECP256R1())
P384: Final = ec.generate_private_key(ec.SECP384R1())
KEYS: Final[dict[str, PrivateKey]] = {"RS256": RSA, "ES256": P256, "ES384": P384}


def claims(**changes: Any) -> CAClaims:
    """Return what a good token says, with some of it changed."""
    good = new_claims("ann", permissions=["read"], resource="posts", roles=["editor"], now_s=NOW_S, ttl_s=3_600)
    return msgspec.structs.replace(good, **changes)


def signed(payload: Any, *, key: Any = P256, algorithm: str = "ES256", header: dict[str, Any] | None = None) -> str:
    """Return a token whose payload is bytes, or the JSON of a value, whatever it says."""
    raw = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    token: str = jwt.api_jws.PyJWS().encode(raw, key, algorithm=algorithm, headers=header)
    return token
