"""`manage.py ipcexplain`: who would get an event, and who would not and why."""

import asyncio
import json
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from msgspec import UNSET, Raw

from ipc.django_app.conf import conf
from ipc.django_app.discovery import explanation_lines
from ipc.hub.explaining import Explainer
from ipc.protocol.errors import IPCError
from ipc.protocol.explanation import Explanation
from ipc.stores.connection import connect
from ipc.stores.group_states import GroupStates
from ipc.stores.ledger import Ledger
from ipc.stores.registry import Registry


class Command(BaseCommand):
    """Explain an event from what ``REDIS_URL`` knows; nothing is emitted."""

    help = "Say who would get an event, who would not, and why, without emitting it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the event would be."""
        parser.add_argument("event", help="its name, such as post:created")
        parser.add_argument("--data", default="null", metavar="JSON", help="its data, which conditions look at")
        parser.add_argument("--meta", metavar="JSON", help="an object that would travel beside the data")
        parser.add_argument("--target", action="append", metavar="SERVICE", help="repeatable; without it: all")
        parser.add_argument("--source", metavar="SERVICE", help="who would emit it, to see whether that is allowed")
        parser.add_argument("--json", action="store_true", help="as JSON, with all that is known")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Show it, or fail in one sentence."""
        if not conf.redis_url:
            raise CommandError(
                "REDIS_URL is not set, so there is nothing to look into. Beside `make run` it is in "
                "var/secrets/redis_url."
            )
        try:
            found = asyncio.run(self._explanation(options))
        except IPCError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
        else:
            for line in explanation_lines(found):
                self.stdout.write(line)

    async def _explanation(self, options: dict[str, Any]) -> Explanation:
        redis = connect(conf.redis_url)
        try:
            explainer = Explainer(Registry(redis), GroupStates(redis), Ledger(redis), limits=conf.limits())
            return await explainer.explain(
                options["event"],
                Raw(options["data"].encode()),
                target=options["target"],
                source=options["source"],
                meta=UNSET if options["meta"] is None else Raw(options["meta"].encode()),
            )
        finally:
            await redis.aclose()
