"""`manage.py ipcexplain`: who would get an event, and who would not and why."""

import json
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand
from msgspec import UNSET, Raw

from ipc.django_app.conf import conf
from ipc.django_app.discovery import explanation_lines
from ipc.django_app.mesh_commands import check_mesh, in_mesh, mesh_redis
from ipc.hub.explaining import Explainer
from ipc.protocol.explanation import Explanation
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
        check_mesh()
        found = in_mesh(_explanation(options))
        if options["json"]:
            self.stdout.write(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
        else:
            for line in explanation_lines(found):
                self.stdout.write(line)


async def _explanation(options: dict[str, Any]) -> Explanation:
    async with mesh_redis() as redis:
        explainer = Explainer(Registry(redis), GroupStates(redis), Ledger(redis), limits=conf.limits())
        return await explainer.explain(
            options["event"],
            Raw(options["data"].encode()),
            target=options["target"],
            source=options["source"],
            meta=UNSET if options["meta"] is None else Raw(options["meta"].encode()),
        )
