"""`manage.py catoken`: make and look at CA tokens, for development and tests."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge import ca_tokens
from certs.errors import CertificateError
from ipc.protocol.errors import IPCError
from ipc.protocol.resource_patterns import ANY_RESOURCE
from ipc.protocol.tokens import WeakKeyError


class Command(BaseCommand):
    """Make and look at the tokens of people, with the CA of ``CERTS_DIR``."""

    help = "Make and look at CA tokens, which say what a person may do."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what can be done, with the options of each."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        mint = verbs.add_parser("mint", help="make a token, and print it and nothing else")
        mint.add_argument("--sub", required=True, help="the userId of the person")
        mint.add_argument("--permission", action="append", help="such as read; repeatable (all of them)")
        mint.add_argument("--resource", default=ANY_RESOURCE, help="such as posts or posts/* (everything)")
        mint.add_argument("--role", action="append", default=[], help="such as editor; repeatable (none)")
        mint.add_argument("--ttl", type=int, default=3_600, help="seconds that it holds, at most a day (3600)")
        inspect = verbs.add_parser("inspect", help="show what a token says, and whether it holds")
        inspect.add_argument("token", nargs="?", default="-", help="the token, or - to read it from the input (-)")
        inspect.add_argument("--json", action="store_true", help="as JSON, with all that is known")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it, or fail in one sentence."""
        try:
            if options["verb"] == "mint":
                self.stdout.write(ca_tokens.mint(**{name: options[name] for name in ca_tokens.TO_MINT}))
                return
            given = options["token"]
            claims, problem = ca_tokens.inspect((sys.stdin.readline() if given == "-" else given).strip())
            self.stdout.write("\n".join(ca_tokens.lines(claims, problem, as_json=options["json"])))
        except (IPCError, CertificateError, WeakKeyError) as error:
            raise CommandError(getattr(error, "message", str(error))) from error
        if problem is not None:
            raise CommandError(problem.message)
