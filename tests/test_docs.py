"""The documents say what the code does: settings, protocol, addresses, dependencies, commands and links."""

import argparse
import json
import re
import shlex
import statistics
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import get_commands, load_command_class

from bridge.api.access import ACCESS
from bridge.urls import urlpatterns as bridge_urls
from exprsn.catalogue import TIMELINE_REDIRECT_PORT
from exprsn.urls import urlpatterns as project_urls
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.messages import ClientMessage, ServerMessage
from tests.environment_reads import other_reads, python_reads
from tests.markdown import DOCUMENTS, ROOT, anchors, codes, commands, links, table, tables
from timeline.urls import urlpatterns as timeline_urls

PROJECT_URLS: list[Any] = project_urls
REFERENCE = ROOT / "docs" / "reference"
WIRE = REFERENCE / "wire-protocol.md"
SETTINGS = table(REFERENCE / "settings.md", "name", "default", "meaning", "read by")
COMMANDS = [(document, line) for document in DOCUMENTS for line in commands(document)]
PEERS = {"Node Socket.IO": "socketio-seed", "plain Channels": "channels-pubsub-uvicorn"}
# What the rows of the README's table are, by their workloads.
MEASURED = {
    "targeted": {"us": "ours-uvicorn", **PEERS},
    "broadcast": {"us": "ours-uvicorn", **PEERS},
    "durable": {"us": "ours-worker", "NATS JetStream": "jetstream-python"},
    "call": {"us": "ours-worker", "Moleculer": "moleculer"},
}
# Written by the reader, or made by a run.
NOT_IN_THE_TREE = re.compile(
    r"(?:(?:test_)?pulse|owner|caller)\.py|examples/.*|company-.*\.pem|certs/ca-cert\.pem|var/.*|/tmp/.*|/(?:etc|var/lib|media|opt)/.*|\.venv/bin/.*"
)


@pytest.mark.parametrize(
    "option", ["--http bridge.doors.heads:HeadProtocol", "--no-proxy-headers", "--no-server-header"]
)
def test_no_page_serves_by_uvicorn_without_what_protects_it(option: str) -> None:
    """Nobody sees that one is missing until somebody uses it."""
    served = served_by_uvicorn()
    assert len(served) > 3
    assert [line for line in served if option not in line] == []


def test_no_page_serves_sockets_by_uvicorn_that_would_end_who_is_busy() -> None:
    """Timeline has no sockets."""
    sockets = [line for line in served_by_uvicorn() if "--ws " in line]
    assert len(sockets) > 2
    assert [line for line in sockets if "--ws-ping-interval 0" not in line] == []


def served_by_uvicorn() -> list[str]:
    texts = [document.read_text("utf-8").replace("\\\n", " ") for document in DOCUMENTS]
    return [line for text in texts for line in text.splitlines() if "uvicorn exprsn.asgi:application --" in line]


def test_every_variable_that_is_read_is_in_the_table_with_its_readers_and_no_other_is() -> None:
    documented = {codes(row["name"])[0]: set(codes(row["read by"])) for row in SETTINGS}
    assert len(documented) == len(SETTINGS), "a variable is in the table twice"
    reads = {name: set(files) for source in (python_reads(), other_reads()) for name, files in source.items()}
    assert documented == reads


def test_the_defaults_in_the_table_are_those_of_the_code() -> None:
    """Where the default is a constant; that of a path is said in words."""
    documented = {codes(row["name"])[0]: row["default"] for row in SETTINGS}
    assert documented["TIMELINE_REDIRECT_PORT"] == f"`{TIMELINE_REDIRECT_PORT}`"
    for name, files in python_reads().items():
        for default in (default for default in files.values() if default not in {None, ""}):
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            assert codes(documented[name])[:1] == [shown], f"{name} is {default!r} in the code"


def fields(message: type[msgspec.Struct], *, without: set[str]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(message)} - without


def by_type(root: type[msgspec.Struct], *, without: set[str]) -> dict[Any, set[str]]:
    return {message.__struct_config__.tag: fields(message, without=without) for message in root.__subclasses__()}


def test_the_page_of_the_protocol_has_each_message_with_its_members() -> None:
    sent = table(WIRE, "type", "members besides `id`", "answer")
    assert {codes(row["type"])[0]: set(codes(row["members besides `id`"])) for row in sent} == by_type(
        ClientMessage, without={"id"}
    )
    received = table(WIRE, "type", "members", "when")
    assert {codes(row["type"])[0]: set(codes(row["members"])) for row in received} == by_type(
        ServerMessage, without=set()
    )


def test_the_page_of_the_protocol_has_each_error_code_with_its_answer_to_may_i_retry() -> None:
    rows = table(WIRE, "code", "retryable", "HTTP", "meaning")
    shown = [(codes(row["code"])[0], row["retryable"], row["HTTP"]) for row in rows]
    assert shown == [(code.value, "yes" if code.retryable else "no", str(code.http_status)) for code in ErrorCode]


def test_the_page_of_the_protocol_has_each_close_code_with_its_answer_to_may_i_reconnect() -> None:
    rows = table(WIRE, "code", "name", "reconnect", "why")
    shown = [(row["code"], codes(row["name"])[0], row["reconnect"]) for row in rows]
    assert shown == [(str(code.value), code.name, "yes" if code.reconnect else "no") for code in CloseCode]


def test_the_page_of_the_http_apis_has_every_address_and_no_other() -> None:
    rows = table(REFERENCE / "http-api.md", "method and path", "service", "answer")
    shown = {codes(row["method and path"])[0].split()[1] for row in rows}
    both = [url for url in PROJECT_URLS if str(url.pattern).startswith("api/")]
    routes = {f"/{url.pattern}".rstrip("/") for url in [*bridge_urls, *timeline_urls, *both]}
    plain = (route.replace("<uuid:post_id>", "<uuid>") for route in routes)
    of_both = {"/metrics"}
    assert shown == {re.sub(r"<(?:str|path):(\w+)>", r"<\1>", route) for route in plain} | of_both


def test_the_page_of_the_http_apis_says_who_may_use_each_address() -> None:
    rows = table(REFERENCE / "http-api.md", "address", "who may", "a service needs", "and sees or does", "staff need")
    shown = {
        codes(row["address"])[0]: (row["who may"], codes(row["a service needs"]), codes(row["staff need"]))
        for row in rows
    }
    paths = {str(url.name): re.sub(r"<(?:str|path):(\w+)>", r"<\1>", f"/{url.pattern}") for url in bridge_urls}
    assert shown == {
        paths[name]: (rule.who.value, [rule.permission] if rule.permission else [], [rule.staff])
        for name, rule in ACCESS.items()
    }


def test_the_page_of_the_architecture_has_each_floor_of_the_library_in_its_order() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    shown = re.findall(r"^  (\w+) {2,}", page.partition("ipc, from the top:\n")[2].partition("```")[0], re.MULTILINE)
    house = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (floors,) = (contract["layers"] for contract in house if contract["id"] == "floors")
    for floor in floors:
        rooms = floor.split(" | ")
        assert sorted(shown[: len(rooms)]) == sorted(rooms)
        del shown[: len(rooms)]
    assert not shown


@pytest.mark.parametrize(("requirements", "position"), [("requirements.txt", 0), ("requirements-dev.txt", 1)])
def test_each_pinned_package_has_its_reason(requirements: str, position: int) -> None:
    lines = (ROOT / requirements).read_text(encoding="utf-8").splitlines()
    pinned = [re.split(r"[\[=]", line)[0] for line in lines if line and line[0] not in "#-"]
    found = list(tables(ROOT / "docs" / "explanation" / "dependencies.md"))[position]
    assert [row["package"] for row in found] == pinned


def test_the_figures_of_the_readme_are_those_that_were_measured() -> None:
    runs = json.loads((ROOT / "bench" / "results" / "latest.json").read_text(encoding="utf-8"))["runs"]
    measured = {(run["workload"], run["subject"]): run.get("deliveries_per_s") or run["calls_per_s"] for run in runs}
    rows = table(ROOT / "README.md", "a second", "Exprsn IPC", "others")
    shown = [f"{row['Exprsn IPC']} us, {row['others']}" for row in rows]
    assert len(shown) == len(MEASURED)
    for figures, (workload, subjects) in zip(shown, MEASURED.items(), strict=True):
        found = re.findall(r"(\d[\d,]*) ([^,]+)", figures)
        medians = {name: statistics.median(measured[workload, subject]) for name, subject in subjects.items()}
        assert found == [(f"{float(f'{median:.2g}'):,.0f}", name) for name, median in medians.items()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(document: Path) -> None:
    for link in links(document):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize(("document", "line"), COMMANDS, ids=[line.split("'")[0][:60] for _, line in COMMANDS])
def test_a_command_that_is_printed_can_be_run(document: Path, line: str) -> None:
    """Its programs, targets, subcommands, options and files are there."""
    words = [part for word in shlex.split(line) for part in re.split(r'[\s=")]+', word) if part]
    if "make" in words:
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[words.index("make") + 1] in targets
    if "manage.py" in words:
        _, command, *arguments = words[words.index("manage.py") :]
        check_command(command, arguments)
    for word in words:
        if word.startswith(".venv/bin/"):
            assert (ROOT / word).exists(), f"{word} is not installed"
        if re.fullmatch(r"[\w./-]+\.(py|md|pem|txt|toml)|(docs|tests|samples|bench)/[\w./-]+", word):
            assert NOT_IN_THE_TREE.fullmatch(word) or (ROOT / word).exists(), f"{document.name}: there is no {word}"


def check_command(name: str, arguments: list[str]) -> None:
    apps = get_commands()
    assert name in apps, f"there is no manage.py {name}"
    parser: argparse.ArgumentParser = load_command_class(apps[name], name).create_parser("manage.py", name)
    known = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            known |= set(action.choices[arguments[0]]._option_string_actions) if arguments else set()
    unknown = [word for word in arguments if word.startswith("--") and word not in known]
    assert not unknown, f"manage.py {name} knows no {', '.join(unknown)}"


def test_files_that_prose_names_are_there() -> None:
    for document in DOCUMENTS:
        for path in re.findall(r"`((?:\w+/)+[\w.-]+\.(?:py|md|mjs|lua))`", document.read_text(encoding="utf-8")):
            assert path.startswith(("yourapp/", "yourproject/", "examples/")) or (ROOT / path).exists(), (
                f"{document.name} names {path}"
            )
