"""Long operations on the command line, through the HTTP API of a bridge."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from django.core.management.base import CommandError

from bridge.cli.asking import ask
from bridge.cli.layout import printable
from bridge.cli.target import BridgeTarget, add_target_arguments

TIMEOUT_S: Final = 15.0
BAR: Final = 20
TEXT: Final = 60


def add_operation_arguments(parser: ArgumentParser) -> None:
    """Declare what to do, and with which."""
    parser.add_argument("verb", nargs="?", choices=["list", "cancel"], default="list", help="(list)")
    parser.add_argument("operation", nargs="?", help="the id of the one to cancel")
    parser.add_argument("--of", help="only those of this service, by its short or full name")
    add_target_arguments(parser)


def operations(options: Mapping[str, Any]) -> str:
    """List operations or cancel one, and return what to print.

    Raises:
        CommandError: the bridge refused it, or cannot be reached.

    """
    target = BridgeTarget.of(options)
    if options["verb"] == "cancel":
        if not options["operation"]:
            raise CommandError("say which operation: manage.py ipc operations cancel ID")
        cancelled = ask(
            target, "POST", f"operations/{quote(options['operation'], safe='')}/cancel", timeout_s=TIMEOUT_S
        )
        return line(cancelled)
    query = {"service": options["of"]} if options["of"] else {}
    found = ask(target, "GET", "operations", timeout_s=TIMEOUT_S, params=query)
    return "\n".join(_lines(found))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield from map(line, found["operations"])
    if found["hasMore"]:
        yield "there are more; ask for those of one service with --of"
    elif not found["operations"]:
        yield "no operations"


def line(each: Mapping[str, Any]) -> str:
    """Return one operation as a line, with a bar of how much is done."""
    full = int(BAR * each["percent"] / 100)
    begun = datetime.fromtimestamp(each["begunMs"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    said = printable(each["error"] or each["text"])[:TEXT]
    how = f"{'#' * full}{'.' * (BAR - full)} {each['percent']:5.1f} %"
    return f"{each['id']}  {each['service']}  {each['name']}  {how}  {each['status']}  since {begun}  {said}".rstrip()
