"""The names of the services, and the only place that converts between their short and full forms.

The full name (``exprsn-timeline``) is used in every message, the short name (``timeline``) in paths.
"""

from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from ipc.protocol.errors import UnknownServiceError

PREFIX: Final = "exprsn-"

SHORT_NAMES: Final = (
    "ca", "auth", "spark", "timeline", "prefetch", "moderator", "filevault", "gallery", "live", "bridge",
    "nexus", "pulse", "vault", "herald", "setup", "workflow", "payments", "atlas", "svr",
)  # fmt: skip
SERVICES: Final = tuple(PREFIX + name for name in SHORT_NAMES)
MAX_LIKENED: Final = 64
_KNOWN: Final = frozenset(SERVICES)


@lru_cache(maxsize=256)
def full_name(name: str) -> str:
    """Return the full name of a service given by either name.

    Raises:
        UnknownServiceError: the catalogue has no such service.

    """
    full = name if name.startswith(PREFIX) else PREFIX + name
    if full not in _KNOWN:
        raise UnknownServiceError(f"there is no service {name[:64]!r}; known are {', '.join(SHORT_NAMES)}")
    return full


def meant_by(name: str) -> str | None:
    """Return the short name of the service that a wrong name may have meant, None if it is like that of none."""
    short = name[:MAX_LIKENED].lower().replace("_", "-").removeprefix(PREFIX)
    near = get_close_matches(short, SHORT_NAMES, n=1)
    return near[0] if near else None


def is_service(name: str) -> bool:
    """Tell whether there is a service of a name, of either form."""
    return name.removeprefix(PREFIX) in SHORT_NAMES


def short_name(name: str) -> str:
    """Return the short name of a service given by either name.

    Raises:
        UnknownServiceError: the catalogue has no such service.

    """
    return full_name(name).removeprefix(PREFIX)


def namespace(name: str) -> str:
    """Return the address of a service's namespace on the bridge, ``/ipc/<short name>``."""
    return f"/ipc/{short_name(name)}"
