"""The catalogue: the mesh as it is now, as a document of AsyncAPI."""

from collections.abc import Awaitable, Callable
from typing import Any

from ipc.hub.stores import DeclarationStore
from ipc.protocol.asyncapi import asyncapi_document
from ipc.protocol.discovery import Services


class Catalogue:
    """Answers what the mesh says and hears.

    Args:
        services: returns who is attached.
        declarations: what services have declared.

    """

    def __init__(self, services: Callable[[], Awaitable[Services]], declarations: DeclarationStore) -> None:
        self._services = services
        self._declarations = declarations

    async def asyncapi(self, *, bridge: str, version: str) -> dict[str, Any]:
        """Return the mesh as a document of AsyncAPI 3.0.

        Args:
            bridge: the host and port of the bridge.
            version: of the bridge.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        found = await self._services()
        declared = await self._declarations.list()
        return asyncapi_document(found.services, declared, bridge=bridge, version=version)
