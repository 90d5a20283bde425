"""Emitting and calling from the command line, through the HTTP API of a bridge."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
from django.core.management.base import CommandError

from bridge.addresses import reason
from bridge.cli.layout import printable
from bridge.cli.target import BridgeTarget, add_target_arguments, try_again
from bridge.cli.values import json_value
from ipc.protocol.codes import ErrorCode

EMIT_TIMEOUT_S: Final = 15.0
SERVED_TIMEOUT_S: Final = 2.0
SHOWN: Final = 20
MARGIN_S: Final = 5.0
MAX_TIMEOUT_S: Final = 60.0
_JSON: Final = {"Content-Type": "application/json"}


def add_emit_arguments(parser: ArgumentParser) -> None:
    """Declare what an event has."""
    parser.add_argument("event", help="its name, such as post:created")
    parser.add_argument("data", nargs="?", help="JSON, @file, or - for standard input (null)")
    parser.add_argument("--target", action="append", help="a service; may be given several times (all services)")
    parser.add_argument("--id", help="its id; emitted again with it within five minutes, it is not appended twice")
    parser.add_argument("--meta", help="a JSON object that travels beside the data, or @file")
    add_target_arguments(parser)


def add_call_arguments(parser: ArgumentParser) -> None:
    """Declare what a call has."""
    parser.add_argument("resource", help="such as posts")
    parser.add_argument("op", help="create, read, update, delete, or a name of the owner's own")
    parser.add_argument("data", nargs="?", help="JSON, @file, or - for standard input (none)")
    parser.add_argument("--key", help="of the thing that it is about")
    parser.add_argument("--query", help="JSON, or @file")
    parser.add_argument("--target", help="the service or the instance that shall answer")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait, at most 60 (10)")
    parser.add_argument("--idempotency-key", help="says that the owner may be given the call twice")
    parser.add_argument("--meta", help="a JSON object that travels beside the data, or @file")
    parser.add_argument("--jsonlex", action="store_true", help="data or query is a JSONLex program for the owner")
    add_target_arguments(parser)


def emit(options: Mapping[str, Any]) -> str:
    """Emit an event, and return its id with its position in each log, a line each, and whether it was there before.

    Raises:
        CommandError: it was refused, or the bridge cannot be reached.

    """
    members = {
        "event": options["event"],
        "data": json_value(options["data"], name="data"),
        "target": options["target"],
        "id": options["id"],
        "meta": json_value(options["meta"], name="meta"),
    }
    emitted = _post("emit", members, options, timeout_s=EMIT_TIMEOUT_S)
    repeat = "  duplicate" if emitted.get("duplicate") else ""
    return "\n".join(f"{emitted['id']}  {log}  {position}{repeat}" for log, position in emitted["positions"].items())


def call(options: Mapping[str, Any]) -> str:
    """Make a call, and return the data of the reply as JSON to read.

    Raises:
        CommandError: the owner or the bridge refused it, or the bridge cannot be reached.

    """
    timeout_s = options["timeout"]
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise CommandError(f"--timeout is more than 0 and at most {MAX_TIMEOUT_S:g} seconds, not {timeout_s:g}")
    members = {
        "resource": options["resource"],
        "op": options["op"],
        "key": options["key"],
        "data": json_value(options["data"], name="data"),
        "query": json_value(options["query"], name="query"),
        "target": options["target"],
        "timeout_ms": max(1, int(timeout_s * 1000)),
        "idempotency_key": options["idempotency_key"],
        "jsonlex": options["jsonlex"],
        "meta": json_value(options["meta"], name="meta"),
    }
    reply = _post("call", members, options, timeout_s=timeout_s + MARGIN_S)
    return printable(msgspec.json.format(msgspec.json.encode(reply), indent=2).decode(), keep="\n")


def ask(target: BridgeTarget, method: str, what: str, *, timeout_s: float, **request: Any) -> Any:
    """Return the data of an answer of the bridge's HTTP API.

    Raises:
        CommandError: it was refused, or the bridge cannot be reached.

    """
    try:
        with target.http(timeout_s=timeout_s) as http:
            response = http.request(method, f"/api/ipc/{what}", **request)
    except httpx.TimeoutException as error:
        raise try_again(f"{target.address} has not answered within {timeout_s:g} s") from error
    except httpx.HTTPError as error:
        raise try_again(f"{target.address}: {reason(error)}") from error
    try:
        answer = msgspec.json.decode(response.content, type=_Answer)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise CommandError(f"{target.address}: HTTP {response.status_code}, and not what a bridge answers") from error
    if answer.success:
        return answer.data
    raise _failed(answer, _served(target) if answer.error == ErrorCode.NO_OWNER else "")


def _served(target: BridgeTarget) -> str:
    """Return the sentence that says what could have been meant, or nothing where that is not to be known."""
    try:
        found = ask(target, "GET", "services", timeout_s=SERVED_TIMEOUT_S)
    except CommandError:
        return ""
    instances = (instance for service in found["services"] for instance in service["instances"])
    names = sorted({resource["name"] for instance in instances for resource in instance["resources"]})
    return f"; served now are: {', '.join(names[:SHOWN])}" if names else "; nothing is served now"


def _post(what: str, members: Mapping[str, Any], options: Mapping[str, Any], *, timeout_s: float) -> Any:
    body = msgspec.json.encode({name: value for name, value in members.items() if value is not None})
    return ask(BridgeTarget.of(options), "POST", what, timeout_s=timeout_s, content=body, headers=_JSON)


class _Answer(msgspec.Struct):
    success: bool
    data: Any = None
    error: str = ""
    message: str = ""
    details: Any = None


def _failed(answer: _Answer, hint: str) -> CommandError:
    text = f"{answer.error}: {answer.message}{hint}"
    if answer.details:
        text += f" {msgspec.json.encode(answer.details).decode()}"
    try:
        is_retryable = ErrorCode(answer.error).retryable
    except ValueError:
        is_retryable = False
    return try_again(printable(text)) if is_retryable else CommandError(printable(text))
