"""`manage.py deadletters`: see what groups have given up, deliver it to them again, or discard it."""

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from redis.asyncio import Redis

from ipc.django_app import dead_letter_acts
from ipc.django_app.audit_trail import command_user
from ipc.django_app.dead_letters import condition_of, letter_detail, letter_line, orphaned
from ipc.django_app.mesh_commands import check_mesh, in_mesh, mesh_redis
from ipc.protocol.errors import BadMessageError
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters

LIMITS = {"list": 100, "redrive": 1_000, "discard": 1_000}


class Command(BaseCommand):
    """Do one of four things with the dead letters in ``REDIS_URL``."""

    help = "List, show, redrive or discard the events that durable groups have given up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions with their filters."""
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="all of one dead letter, as JSON")
        show.add_argument("letter", help="its id, <service>/<group>/<position> as the list gives it")
        for name, description in (
            ("list", "one line for each, by group, oldest first"),
            ("redrive", "deliver again, to the group that gave up and to nobody else"),
            ("discard", "delete for good; who, when and why is kept"),
        ):
            action = actions.add_parser(name, help=description)
            _add_filters(action, limit=LIMITS[name])
            if name != "list":
                action.add_argument("--all", action="store_true", help="without a filter: all there are, up to --limit")
                action.add_argument("--dry-run", action="store_true", help="only say what would be done")
            if name == "discard":
                action.add_argument("--reason", required=True, help="why; it is kept")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the action, and fail in one sentence."""
        check_mesh()
        try:
            in_mesh(self._run(options))
            self.stdout.flush()
        except BrokenPipeError:
            # Who read this is gone, as `head` when it has its lines; the rest is written to nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())

    async def _run(self, options: dict[str, Any]) -> None:
        async with mesh_redis() as redis:
            if options["action"] == "show":
                buried = await DeadLetters(redis).get(LetterId.of(options["letter"]))
                self.stdout.write(json.dumps(letter_detail(buried), indent=2, ensure_ascii=False))
            else:
                await self._with_filter(redis, options)

    async def _with_filter(self, redis: Redis, options: dict[str, Any]) -> None:
        wanted, action = _filter(options), options["action"]
        if action != "list" and wanted.wants_everything and not options["all"]:
            raise BadMessageError(f"say which dead letters to {action} with a filter, or --all")
        letters = DeadLetters(redis)
        await letters.check_known(wanted)
        page = await letters.find(wanted, limit=options["limit"])
        ids = [buried.id for buried in page.letters]
        if page.undecided:
            self.stderr.write(f"the condition could not be evaluated on {page.undecided}, which are left out")
        if action == "list" or options["dry_run"]:
            for buried in page.letters:
                self.stdout.write(letter_line(buried))
        if action == "list":
            self.stdout.write(_total(len(ids), "found", has_more=page.has_more))
        elif options["dry_run"]:
            self.stdout.write(_total(len(ids), f"to {action}, nothing was done", has_more=page.has_more))
        elif action == "redrive":
            done = await dead_letter_acts.redrive(redis, ids, by=command_user())
            self.stdout.write(_total(len(done.moved), f"redriven of {len(ids)}", has_more=page.has_more))
            if done.orphans:
                raise orphaned(done.orphans)
        else:
            gone = await dead_letter_acts.discard(redis, ids, by=command_user(), reason=options["reason"])
            self.stdout.write(_total(len(gone), f"discarded of {len(ids)}", has_more=page.has_more))


def _add_filters(parser: ArgumentParser, *, limit: int) -> None:
    parser.add_argument("--service", help="of this service, by its short or full name")
    parser.add_argument("--group", help="of groups of this name")
    parser.add_argument("--event", action="append", default=[], metavar="PATTERN", help="such as post:*; repeatable")
    parser.add_argument("--id", action="append", default=[], help="a dead letter's id or an event's; repeatable")
    parser.add_argument("--since", help="given up since: 2h, 7d, 2026-11-23T14:30:00Z")
    parser.add_argument("--until", help="given up until, likewise")
    parser.add_argument("--where", metavar="JSON", help="a JSONLex condition on the event, its error and its attempts")
    parser.add_argument("--limit", type=_limit, default=limit, help=f"at most so many ({limit})")


def _limit(text: str) -> int:
    limit = int(text)
    if limit < 1:
        raise ValueError(text)
    return limit


def _filter(options: dict[str, Any]) -> DeadLetterFilter:
    return DeadLetterFilter.of(
        service=options["service"],
        group=options["group"],
        events=options["event"],
        ids=options["id"],
        since=options["since"],
        until=options["until"],
        where=None if options["where"] is None else condition_of(options["where"]),
    )


def _total(count: int, what: str, *, has_more: bool) -> str:
    more = "; there are more, raise --limit or run it again" if has_more else ""
    return f"{count} dead letter{'' if count == 1 else 's'} {what}{more}"
