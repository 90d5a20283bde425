"""`manage.py ipcservices`: which services there are, and how calls to them are doing."""

import json
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand

from ipc.django_app.discovery import service_lines
from ipc.django_app.mesh_commands import check_mesh, in_mesh, mesh_redis
from ipc.hub.discovery import Discovery
from ipc.protocol.discovery import Services
from ipc.stores.declarations import Declarations
from ipc.stores.registry import Registry
from ipc.stores.shares import Shares


class Command(BaseCommand):
    """Show what ``REDIS_URL`` knows of services."""

    help = "Show the services that are attached, with their instances, and how calls to them are doing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare which services, and how to show them."""
        parser.add_argument("service", nargs="?", help="only this one, by its short or full name")
        parser.add_argument("--json", action="store_true", help="as JSON, with all that is known")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Show them, or fail in one sentence."""
        check_mesh()
        found = in_mesh(_services(options["service"]))
        if options["json"]:
            self.stdout.write(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
        else:
            for line in service_lines(found):
                self.stdout.write(line)


async def _services(only: str | None) -> Services:
    async with mesh_redis() as redis:
        return await Discovery(Registry(redis), Shares(redis), Declarations(redis)).services(only)
