"""`manage.py asyncapi`: the running mesh as a document of AsyncAPI 3.0."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ipc.django_app.conf import conf
from ipc.django_app.mesh_commands import check_mesh, in_mesh, mesh_redis
from ipc.hub.catalogue import Catalogue
from ipc.hub.discovery import Discovery
from ipc.protocol.asyncapi_messages import as_json
from ipc.stores.declarations import Declarations
from ipc.stores.registry import Registry
from ipc.stores.shares import Shares


class Command(BaseCommand):
    """Write down what ``REDIS_URL`` knows of what services say, hear and answer."""

    help = "Write the running mesh as a document of AsyncAPI 3.0: its events, resources and schemas."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare where to, and where the bridge is."""
        parser.add_argument("--output", type=Path, help="the file to write (standard output)")
        parser.add_argument(
            "--bridge", help="the host and port of the bridge (localhost, and its port in the settings)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write it, or fail in one sentence."""
        check_mesh()
        bridge = options["bridge"] or f"localhost:{settings.SERVICE_PORTS['bridge']}"
        text = as_json(in_mesh(_document(bridge)))
        if options["output"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["output"].write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}") from error


async def _document(bridge: str) -> dict[str, Any]:
    async with mesh_redis() as redis:
        declarations = Declarations(redis)
        catalogue = Catalogue(Discovery(Registry(redis), Shares(redis), declarations).services, declarations)
        return await catalogue.asyncapi(bridge=bridge, version=conf.version)
