"""Every place in the project that reads an environment variable, found in its source."""

import ast
import re
from collections import defaultdict
from typing import Any

from exprsn.catalogue import CATALOGUE
from tests.markdown import ROOT

FOLDERS = ("exprsn", "bridge", "timeline", "certs", "ipc", "samples", "bench")
READERS = {"text", "flag", "number", "port", "words", "choice", "log_level", "secret", "get", "setdefault"}
ENVIRONMENTS = {"env", "environment", "environ"}
# Where the name is a parameter, and where Django's own marker for its reloader is looked at.
# What python-engineio calls an environment is a request as WSGI has it (PEP 3333).
OF_A_REQUEST = {repr(name) for name in ("CONTENT_LENGTH", "wsgi.input", "asgi.scope", "asgi.receive", "asgi.send")}
NOT_OURS = {
    "exprsn/environment.py": {"name"},
    "certs/reloading.py": {"autoreload.DJANGO_AUTORELOAD_ENV"},
    "bridge/doors/socketio/engine.py": OF_A_REQUEST,
    "bridge/doors/socketio/server.py": OF_A_REQUEST,
}
PORTS = "f'{service.name.upper()}_PORT'"

Reads = dict[str, dict[str, Any]]
"""For each variable the files that read it, each with the default there, or None where it is not a constant."""


def python_reads() -> Reads:
    """Return what Python files read, and fail on a name that cannot be told from the source."""
    found: Reads = defaultdict(dict)
    files = [ROOT / "manage.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
    for path in files:
        file = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name, default in _read(node):
                if ast.unparse(name) in NOT_OURS.get(file, ()):
                    continue
                if ast.unparse(name) == PORTS:
                    found.update({f"{service.name.upper()}_PORT": {file: service.port} for service in CATALOGUE})
                    continue
                assert isinstance(name, ast.Constant), f"{file} reads a variable of unknown name: {ast.unparse(node)}"
                found[str(name.value)][file] = _constant(default)
    return found


def other_reads() -> Reads:
    """Return what the Makefile and JavaScript files read."""
    found: Reads = defaultdict(dict)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assigned = {*re.findall(r"^([A-Z_]+) *:?=", makefile, re.MULTILINE), "MAKEFILE_LIST"}
    for name in set(re.findall(r"\$\(([A-Z_]+)\)", makefile)) - assigned:
        found[name]["Makefile"] = None
    for path in sorted((ROOT / "bench").rglob("*.mjs")):
        for name in re.findall(r"process\.env\.(\w+)", path.read_text(encoding="utf-8")):
            found[name][str(path.relative_to(ROOT))] = None
    return found


def _read(node: ast.AST) -> list[tuple[ast.expr, ast.expr | None]]:
    match node:
        case ast.Call(func=ast.Attribute(value=holder, attr=method), args=[name, *more]) if method in READERS:
            defaults = {keyword.arg: keyword.value for keyword in node.keywords}
            default = more[0] if more else defaults.get("default")
            return [(name, default)] if _is_environment(holder) else []
        case ast.Subscript(value=holder, slice=name, ctx=ast.Load()) if _is_environment(holder):
            return [(name, None)]
    return []


def _is_environment(holder: ast.expr) -> bool:
    name = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
    return name in ENVIRONMENTS


def _constant(default: ast.expr | None) -> Any:
    if default is None or any(isinstance(node, ast.Name | ast.Call) for node in ast.walk(default)):
        return None
    return eval(compile(ast.Expression(default), "default", "eval"))  # noqa: S307 - constants of our own source
