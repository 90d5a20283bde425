"""`manage.py ipc`: emit an event, make a call, watch events, or see to long operations, from a terminal or a script."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.cli.asking import add_call_arguments, add_emit_arguments, call, emit
from bridge.cli.operations import add_operation_arguments, operations
from bridge.cli.tail import add_tail_arguments, tail
from bridge.cli.target import try_again
from ipc.protocol.errors import IPCError

INTERRUPTED = 130
ACTIONS = {"emit": emit, "call": call, "operations": operations}


class Command(BaseCommand):
    """Do one of four things at a bridge; the exit code is 1 for a refusal, and 75 where trying again may help."""

    help = "Emit an event, call a resource, watch events, or see to long operations, through a bridge."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions."""
        actions = parser.add_subparsers(dest="action", required=True)
        add_emit_arguments(actions.add_parser("emit", help="emit an event, and print its id, logs and positions"))
        add_call_arguments(actions.add_parser("call", help="call an operation, and print the reply as JSON"))
        add_tail_arguments(actions.add_parser("tail", help="print events as they come, until Ctrl-C"))
        add_operation_arguments(actions.add_parser("operations", help="list long operations, or cancel one"))

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the action, and fail in one sentence."""
        try:
            if options["action"] == "tail":
                tail(options, sys.stdout, sys.stderr)
            else:
                self.stdout.write(ACTIONS[options["action"]](options))
        except IPCError as error:
            raise try_again(error.message) if error.retryable else CommandError(error.message) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
