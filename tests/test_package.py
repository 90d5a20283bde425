"""What is installed elsewhere: the library with all its files, nothing else, and all that it needs."""

import ast
import re
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "ipc"
DJANGO = LIBRARY / "django_app"
# What is imported only where somebody has asked for it: by REDIS_URL, by variables of OpenTelemetry.
EXTRAS = {"channels_redis": "mesh", "opentelemetry": "otel"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    made = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No matching distribution found for flit_core" in made.stderr:
        pytest.skip("the package index cannot be reached, and building takes flit_core from it")
    assert made.returncode == 0, made.stderr
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_string(wheel.read(name).decode())


def needs(metadata: Message, *, extra: str = "") -> set[str]:
    """Return the packages that it needs with an extra, or without one."""
    wanted = map(Requirement, metadata.get_all("Requires-Dist", []))
    return {
        canonicalize_name(each.name) for each in wanted if not each.marker or each.marker.evaluate({"extra": extra})
    }


def imports() -> dict[Path, set[str]]:
    """Return what each module of the library imports of others, wherever in the module."""
    found: defaultdict[Path, set[str]] = defaultdict(set)
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found[path] |= {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, "ipc"}
    return found


def test_it_carries_every_file_of_the_library_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = {path for path in LIBRARY.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    carried = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert carried == {str(path.relative_to(ROOT)) for path in files}
    assert {"ipc/py.typed", "ipc/stores/scripts/append.lua"} <= carried


def test_it_needs_every_package_that_the_library_imports(metadata: Message) -> None:
    providers = packages_distributions()
    for path, names in imports().items():
        for name in names:
            extra = "django" if path.is_relative_to(DJANGO) else EXTRAS.get(name, "")
            packages = {canonicalize_name(package) for package in providers[name]}
            assert packages & needs(metadata, extra=extra), f"{path.relative_to(ROOT)} imports {name}"


def test_without_an_extra_it_needs_no_django(metadata: Message) -> None:
    assert not needs(metadata) & {"django", "channels", "channels-redis", "djangorestframework"}


def test_what_it_needs_is_no_older_than_what_the_tests_run_with(metadata: Message) -> None:
    pinned: dict[str, str] = {}
    for file in ("requirements.txt", "requirements-dev.txt"):
        pinned |= re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    for wanted in map(Requirement, metadata.get_all("Requires-Dist", [])):
        version = pinned.get(wanted.name)
        if version is not None:
            release = ".".join(version.split(".")[:2])
            assert wanted.specifier.contains(version), f"{wanted} excludes the pinned {version}"
            assert f">={release}" in str(wanted.specifier), f"{wanted} is not what the tests run with, {version}"
