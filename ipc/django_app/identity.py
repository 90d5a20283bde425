"""Who makes a request: the seam between how somebody proved it (session, development bypass) and what views ask."""

from dataclasses import dataclass
from typing import Final

ALL_PERMISSIONS: Final = frozenset({"read", "write", "append", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or program that a request was made by; stands in for Django's user where DRF wants one."""

    user_id: str
    permissions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    is_dev_bypass: bool = False

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __str__(self) -> str:
        return self.user_id


DEV_IDENTITY: Final = Identity(
    user_id="dev-user", permissions=ALL_PERMISSIONS, roles=frozenset({"developer"}), is_dev_bypass=True
)
