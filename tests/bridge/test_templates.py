"""What pages tell people to write is there to be used."""

import re
from pathlib import Path

from ipc import IPCWorker

TEMPLATES = sorted(Path("bridge/templates").rglob("*.html"))
USED = re.compile(r"@ipc\.(\w+)|(?<![\w./-])ipc\.(\w+)\(")


def test_names_of_the_library_in_templates_are_those_of_the_worker() -> None:
    used = {(path.name, found[1] or found[2]) for path in TEMPLATES for found in USED.finditer(path.read_text("utf-8"))}
    assert {"on", "resource"} <= {name for _path, name in used}
    assert {(path, name) for path, name in used if not hasattr(IPCWorker, name)} == set()


def test_commands_in_templates_use_the_python_of_the_project() -> None:
    for path in TEMPLATES:
        assert not re.search(r"(?<![\w/])python ", path.read_text("utf-8")), path
