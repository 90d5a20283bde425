"""A CA in a directory, and the tokens of people that it has signed."""

import time
from pathlib import Path
from typing import Any

from certs.authority import new_root_key, root_of
from certs.names import CA
from certs.pair import KeyType, PrivateKey
from certs.store import CertificateStore
from ipc.django_app.identity import ALL_PERMISSIONS
from ipc.protocol.ca_tokens import new_claims, sign


def make_ca(directory: Path, *, key_type: KeyType = KeyType.EC) -> PrivateKey:
    """Make a CA, in the place of one that is there, and return its key."""
    key = new_root_key(key_type)
    directory.mkdir(exist_ok=True)
    CertificateStore(directory).write(CA, root_of(key).certificates, key)
    return key


def token_of(sub: str, key: PrivateKey, **changes: Any) -> str:
    """Return a token that allows everything, unless told, for a minute."""
    said = {"permissions": ALL_PERMISSIONS, "resource": "*", "now_s": time.time(), "ttl_s": 60, **changes}
    return sign(new_claims(sub, **said), key)


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token}"}
