"""CA tokens made and looked at by hand, with the CA of ``CERTS_DIR``: for development and tests."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings

from certs.errors import MissingCertificateError, UnusableAuthorityError
from certs.pair import PrivateKey
from certs.store import CertificateStore
from ipc.django_app.broker_tokens import claims_lines
from ipc.django_app.ca_key import current_ca_key
from ipc.protocol.ca_tokens import CAClaims, Permissions, check_claims, new_claims, sign
from ipc.protocol.errors import TokenError

TO_MINT: Final = ("sub", "permission", "resource", "role", "ttl")


def mint(*, sub: str, permission: Sequence[str] | None, resource: str, role: Sequence[str], ttl: int) -> str:
    """Return a token of a person for so many seconds, with all permissions if none are named.

    Raises:
        CertificateError: there is no CA here, or not its key.
        WeakKeyError: the CA's key is of a kind that signs no tokens.
        TokenError: what it would say makes no sense.

    """
    chosen = Permissions.__struct_fields__ if permission is None else permission
    claims = new_claims(sub, permissions=chosen, resource=resource, roles=role, now_s=time.time(), ttl_s=ttl)
    return sign(claims, _ca_private_key())


def inspect(token: str) -> tuple[CAClaims, TokenError | None]:
    """Return what a token says, and why it proves nothing, if so.

    Raises:
        TokenError: TOKEN_INVALID, our CA has not signed it.
        UnavailableError: there is no CA.

    """
    claims = current_ca_key().verify(token)
    try:
        check_claims(claims, now_s=time.time())
    except TokenError as error:
        return claims, error
    return claims, None


def lines(claims: CAClaims, problem: TokenError | None, *, as_json: bool) -> Iterator[str]:
    """Yield the lines that say what a token says."""
    if as_json:
        yield json.dumps({**msgspec.to_builtins(claims), "holds": problem is None}, indent=2)
    else:
        yield from claims_lines(claims)


def _ca_private_key() -> PrivateKey:
    store = CertificateStore(Path(settings.CERTS_DIR))
    with store.reading():
        found = store.read_authority()
    if found is None:
        raise MissingCertificateError(f"there is no CA in {store.directory}: run manage.py gencerts")
    _certificates, key = found
    if key is None:
        raise UnusableAuthorityError(f"the key of the CA is not in {store.directory}: CA tokens are made where it is")
    return key
