"""`manage.py ipcservices`: which services there are, and how calls to them are doing."""

import asyncio
import json
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError

from ipc.django_app.conf import conf
from ipc.django_app.discovery import service_lines
from ipc.hub.discovery import Discovery
from ipc.protocol.discovery import Services
from ipc.protocol.errors import IPCError
from ipc.stores.connection import connect
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
        if not conf.redis_url:
            raise CommandError(
                "REDIS_URL is not set, so there is nothing to look into. Beside `make run` it is in "
                "var/secrets/redis_url."
            )
        try:
            found = asyncio.run(self._services(options["service"]))
        except IPCError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
        else:
            for line in service_lines(found):
                self.stdout.write(line)

    async def _services(self, only: str | None) -> Services:
        redis = connect(conf.redis_url)
        try:
            return await Discovery(Registry(redis), Shares(redis)).services(only)
        finally:
            await redis.aclose()
