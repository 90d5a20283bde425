"""The nineteen services of Exprsn and the ports they listen on."""

from dataclasses import dataclass
from typing import Final

from ipc.protocol.services import full_name, namespace


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the catalogue, by its short name."""

    name: str
    port: int

    @property
    def full_name(self) -> str:
        """The name in messages and certificates, such as ``exprsn-timeline``."""
        return full_name(self.name)

    @property
    def namespace(self) -> str:
        """The address on the bridge, such as ``/ipc/timeline``."""
        return namespace(self.name)


CATALOGUE: Final = tuple(
    Service(name, port)
    for name, port in (
        ("ca", 3000),
        ("auth", 3001),
        ("spark", 3002),
        ("timeline", 3004),
        ("prefetch", 3005),
        ("moderator", 3006),
        ("filevault", 3007),
        ("gallery", 3008),
        ("live", 3009),
        ("bridge", 3010),
        ("nexus", 3011),
        ("pulse", 3012),
        ("vault", 3013),
        ("herald", 3014),
        ("setup", 3015),
        ("workflow", 3017),
        ("payments", 3018),
        ("atlas", 3019),
        ("svr", 5001),
    )
)
PORTS: Final = {service.name: service.port for service in CATALOGUE}
TIMELINE_REDIRECT_PORT: Final = 3003
