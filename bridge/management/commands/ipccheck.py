"""`manage.py ipccheck`: whether a live bridge does what it is for."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bridge.check import Outcome, check_bridge
from ipc.django_app.conf import conf
from ipc.protocol.errors import IPCError

MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.SKIP: "\N{EN DASH}"}


class Command(BaseCommand):
    """Run the checks, print their table, and fail if one of them failed; ``IPC_TOKEN`` is shown where there is one."""

    help = "Check a live bridge: health, socket, statistics, and an event there and back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare where the bridge is and whom to trust."""
        parser.add_argument("--url", help="the bridge (https://localhost and its port in the settings)")
        parser.add_argument("--ca-file", type=Path, help="the CA of its certificate (CERTS_DIR/ca-cert.pem)")
        parser.add_argument("--timeout", type=float, default=10.0, help="seconds that each check may take (10)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print a line for each check, the totals, and the verdict."""
        url = options["url"] or f"https://localhost:{settings.SERVICE_PORTS['bridge']}"
        ca_file = options["ca_file"] or Path(settings.CERTS_DIR) / "ca-cert.pem"
        try:
            checking = check_bridge(
                url,
                ca_file=ca_file,
                timeout_s=options["timeout"],
                certs_dir=Path(settings.CERTS_DIR),
                token=conf.token,
            )
            results = asyncio.run(checking)
        except (ValueError, IPCError) as error:
            raise CommandError(str(error)) from error
        for result in results:
            line = f"{MARKS[result.outcome]} {result.name:<38} {result.outcome}"
            self.stdout.write(f"{line}  {result.reason}" if result.reason else line)
        passed, failed, skipped = (sum(result.outcome is kind for result in results) for kind in Outcome)
        self.stdout.write("─" * 48)
        self.stdout.write(f"Total: {len(results)} | Passed: {passed} | Failed: {failed} | Skipped: {skipped}")
        if failed:
            raise CommandError(
                f"✗ {failed} of {len(results)} checks failed at {url}. The IPC system is not operational."
            )
        self.stdout.write("✓ All critical tests passed! IPC system is operational.")
