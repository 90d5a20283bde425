"""`manage.py brokertoken`: make, look at, revoke and list broker tokens."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import msgspec
from django.core.management.base import BaseCommand, CommandError

from ipc.django_app import broker_tokens
from ipc.django_app.mesh_commands import check_mesh, in_mesh
from ipc.protocol.tokens import ANY_TARGET, MAX_LIFETIME_S, WeakKeyError

T = TypeVar("T")

_UNKNOWN: Final = "it was revoked before or has ended, or the id is wrong, so compare it with what list shows"


class Command(BaseCommand):
    """Operate the broker tokens of the mesh at ``REDIS_URL``."""

    help = "Make, look at, revoke and list broker tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what can be done, with the options of each."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        mint = verbs.add_parser("mint", help="make a token, and print it and nothing else")
        mint.add_argument("service", help="whose it is, by its short or full name")
        mint.add_argument("--permission", action="append", help="such as emit:post:*; repeatable (by IPC_PERMISSIONS)")
        mint.add_argument("--target", default=ANY_TARGET, help="who may take it, such as bridge (anybody)")
        mint.add_argument("--ttl", type=int, help="seconds that it holds, at most 31 days (IPC_TOKEN_TTL)")
        mint.add_argument("--stateful", action="store_true", help="it has a state, and holds while it is used")
        mint.add_argument("--rate-limit-exempt", action="store_true", help="it does not count for rate limits")
        inspect = verbs.add_parser("inspect", help="show what a token says, and whether it holds")
        inspect.add_argument("token", nargs="?", default="-", help="the token, or - to read it from the input (-)")
        revoke = verbs.add_parser("revoke", help="end a token, or all of a service's that exist")
        which = revoke.add_mutually_exclusive_group(required=True)
        which.add_argument("id", nargs="?", help="of the token, as list and inspect show it")
        which.add_argument("--service", help="all of this service, issued up to now")
        revoke.add_argument("--before", help="with --service: only what was issued by then, such as 2h for 2 hours ago")
        listing = verbs.add_parser("list", help="list the tokens that hold")
        listing.add_argument("--service", help="only of this service")
        listing.add_argument("--limit", type=int, default=100, help="how many at most (100)")
        listing.add_argument("--after", default="", help="where the page before has ended")
        for verb in (inspect, listing):
            verb.add_argument("--json", action="store_true", help="as JSON, with all that is known")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it, or fail in one sentence."""
        check_mesh("there is no mesh to do this in")
        getattr(self, f"_{options['verb']}")(options)

    def _mint(self, options: dict[str, Any]) -> None:
        ttl_s = options["ttl"]
        if ttl_s is not None and not 1 <= ttl_s <= MAX_LIFETIME_S:
            raise CommandError(f"--ttl is 1 to {MAX_LIFETIME_S} seconds, which are 31 days, not {ttl_s}")
        made = _run(
            broker_tokens.mint(
                options["service"],
                permissions=options["permission"],
                target=options["target"],
                ttl_s=ttl_s,
                stateful=options["stateful"],
                rate_limit_exempt=options["rate_limit_exempt"],
            )
        )
        self.stdout.write(made.token)

    def _inspect(self, options: dict[str, Any]) -> None:
        given = options["token"]
        text = sys.stdin.readline() if given == "-" else given
        claims, problem = _run(broker_tokens.inspect(text.strip()))
        if options["json"]:
            self.stdout.write(json.dumps({**msgspec.to_builtins(claims), "holds": problem is None}, indent=2))
        else:
            self.stdout.write("\n".join(broker_tokens.claims_lines(claims)))
            self.stdout.write(f"{'holds':<15} {'yes' if problem is None else 'no'}")
        if problem is not None:
            raise CommandError(problem.message)

    def _revoke(self, options: dict[str, Any]) -> None:
        if options["service"] is not None:
            until_s = _run(broker_tokens.revoke_source(options["service"], before=options["before"]))
            until = broker_tokens.moment_of_issue(until_s)
            self.stdout.write(f"revoked: {options['service']}, all tokens that were issued up to {until}")
        elif options["before"] is not None:
            raise CommandError("--before is for all tokens of a --service")
        elif _run(broker_tokens.revoke(options["id"])):
            self.stdout.write(f"revoked: {options['id']}")
        else:
            self.stdout.write(f"revoked: {options['id']}, of which nothing is known: {_UNKNOWN}")

    def _list(self, options: dict[str, Any]) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit is 1 or more")
        page = _run(broker_tokens.find(options["service"], after=options["after"], count=options["limit"]))
        if options["json"]:
            self.stdout.write(json.dumps(msgspec.to_builtins(page), indent=2))
        else:
            self.stdout.write("\n".join(broker_tokens.token_lines(page)))


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return in_mesh(work)
    except WeakKeyError as error:
        raise CommandError(f"IPC_BROKER_KEY: {error}") from error
