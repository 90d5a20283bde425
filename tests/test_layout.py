"""The house stays in order: mirrored tests, small files with one job, names that say what is inside."""

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("exprsn", "bridge", "timeline", "certs", "ipc", "samples", "bench")
MAX_LINES = 330
MAX_LINES_OF_TESTS = 400
LONG_LINES = 300
MEDIAN_LINES = 120
# Tests that prove something of several modules together, or `test_<module>_<topic>`; the others mirror one module.
TOPICS = frozenset(
    {
        "layout",
        "npm",
        "attacks",
        "browser",
        "faults",
        "contracts",
        "doors",
        "drain",
        "flow",
        "fuzz",
        "groups",
        "leaks",
        "migration",
        "package",
        "postgres",
        "processes",
        "production",
        "properties",
        "tls",
        "regressions_of_the_original",
        "schemathesis",
        "traces",
        "walkthroughs",
        "window",
    }
)
# One row after the other: to be read from top to bottom, and nothing in them to divide.
TABLES = frozenset({Path("ipc/protocol/messages.py")})
MIXTURES = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools"})


def modules(*packages: str) -> list[Path]:
    found = (path for package in packages for path in sorted((ROOT / package).rglob("*.py")))
    return [path.relative_to(ROOT) for path in found if "migrations" not in path.parts]


SOURCES = modules(*PACKAGES)
TESTS = [path for path in modules("tests") if path.name.startswith("test_")]


def mirrored(test: Path) -> list[Path]:
    """Return the module and the package that a test module may be about, by its place and name."""
    name = test.stem.removeprefix("test_")
    name = "__init__" if name == "init" else name
    module, _, topic = name.rpartition("_")
    subject = Path(*test.parts[1:-1]) / (module if topic in TOPICS and module else name)
    return [subject.with_suffix(".py"), subject]


@pytest.mark.parametrize("test", TESTS, ids=str)
def test_a_test_module_mirrors_a_module_or_is_about_a_known_topic(test: Path) -> None:
    assert {test.stem.removeprefix("test_"), test.parent.name} & TOPICS or any(
        (ROOT / path).exists() for path in mirrored(test)
    ), f"{test} mirrors no module: expected {' or '.join(map(str, mirrored(test)))}"


@pytest.mark.parametrize("path", [*SOURCES, *modules("tests")], ids=str)
def test_a_file_is_small_and_says_what_it_is(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    lines = text.count("\n")
    most = MAX_LINES_OF_TESTS if path.parts[0] == "tests" else MAX_LINES
    assert lines <= most or path in TABLES, f"{path} has {lines} lines: divide it by its jobs"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is: begin it with a docstring"


def test_no_name_promises_a_mixture() -> None:
    names = {path: {*path.parts[:-1], path.stem} for path in [*SOURCES, *modules("tests")]}
    assert {path for path, parts in names.items() if parts & MIXTURES} == set()


def test_the_median_file_is_short() -> None:
    """Empty package files do not count, so that they cannot hide long ones."""
    lengths = {path: (ROOT / path).read_text(encoding="utf-8").count("\n") for path in SOURCES}
    for path in (path for path, length in lengths.items() if length > LONG_LINES):
        print(f"{path} has more than {LONG_LINES} lines: look whether it has one job")  # noqa: T201 - a hint, no failure
    assert statistics.median(length for length in lengths.values() if length) < MEDIAN_LINES
