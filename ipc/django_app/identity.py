"""Who makes a request: the seam between how somebody proved it and what views ask.

The proof is a session, a CA token, or the development bypass.
"""

from dataclasses import dataclass
from typing import Final

from ipc.protocol.ca_tokens import MAX_LIFETIME_S, CAClaims, new_claims
from ipc.protocol.resource_patterns import ANY_RESOURCE

ALL_PERMISSIONS: Final = frozenset({"read", "write", "append", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or program that a request was made by; stands in for Django's user where DRF wants one.

    Args:
        user_id: the person's name for all services.
        permissions: what it may do with the resources that ``resource`` covers.
        roles: what it is.
        is_dev_bypass: whether nobody has proved anything, on a development machine.
        resource: a pattern of `ipc.protocol.resource_patterns`.
        admin_permissions: what a member of staff who is logged in may do in the admin, such as ``bridge.view_mesh``.

    """

    user_id: str
    permissions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    is_dev_bypass: bool = False
    resource: str = ANY_RESOURCE
    admin_permissions: frozenset[str] = frozenset()

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __str__(self) -> str:
        return self.user_id


@dataclass(frozen=True, slots=True)
class CAToken:
    """What a CA token says (``request.ca_token``); ``is_mock`` where the development bypass made it up, unsigned."""

    claims: CAClaims
    is_mock: bool = False

    @property
    def identity(self) -> Identity:
        """Whom it makes its bearer."""
        claims = self.claims
        return Identity(
            user_id=claims.sub,
            permissions=claims.permissions.names,
            roles=frozenset(claims.roles),
            is_dev_bypass=self.is_mock,
            resource=claims.resource,
        )


def mock_ca_token(now_s: float) -> CAToken:
    """Return the CA token of the development user, as if it had just been signed."""
    claims = new_claims(
        "dev-user",
        permissions=ALL_PERMISSIONS,
        resource=ANY_RESOURCE,
        roles=["developer"],
        now_s=now_s,
        ttl_s=MAX_LIFETIME_S,
    )
    return CAToken(claims, is_mock=True)


DEV_IDENTITY: Final = mock_ca_token(0).identity
