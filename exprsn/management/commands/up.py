"""``manage.py up``: the whole system on a development machine, in one terminal."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from exprsn.demo import run as run_demo
from exprsn.supervision.output import standard_output
from exprsn.supervision.preparation import PreparationError
from exprsn.supervision.system import System

INTERRUPTED = 130


class Command(BaseCommand):
    """Starts Valkey, the bridge, Timeline and the samples, and stops them together."""

    help = "Run the whole system: Valkey (unless REDIS_URL is set), the bridge, Timeline and four sample services."

    def add_arguments(self, parser: CommandParser) -> None:
        """Offer the demonstration."""
        parser.add_argument(
            "--demo",
            action="store_true",
            help="then create, change and delete one post, print each step of its way, and stop: exit code 0 or 1",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run until Ctrl-C, SIGTERM or the end of the demonstration."""
        screen = standard_output()
        try:
            if options["demo"]:
                status = run_demo(screen, log_file=settings.VAR_DIR / "log" / "demo.log")
            else:
                status = System(screen=screen, logs=screen).run()
        except PreparationError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            # Before anything was started: from then on signals are handled.
            raise CommandError("stopped; run it again to go on", returncode=INTERRUPTED) from None
        sys.exit(status)
