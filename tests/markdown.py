"""Reading the project's documents: tables, fenced blocks, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").glob("*/*.md")])

_FENCE = re.compile(r"^(```+)(\w*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Fence:
    """A fenced block: the language it is marked with, and its text."""

    language: str
    text: str


def fences(document: Path) -> list[Fence]:
    """Return the fenced blocks of a document."""
    return [Fence(language, text) for _, language, text in _FENCE.findall(document.read_text(encoding="utf-8"))]


@dataclass(frozen=True)
class Step:
    """A fenced block with what its reader has read since the block before it, and the line that it begins at."""

    before: str
    fence: Fence
    line: int


def steps(document: Path) -> list[Step]:
    """Return the fenced blocks of a document in their order, each with the prose before it."""
    text, begin, found = document.read_text(encoding="utf-8"), 0, []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Step(text[begin : match.start()], Fence(match[2], match[3]), line))
        begin = match.end()
    return found


def prose(document: Path) -> str:
    """Return a document without its fenced blocks."""
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def commands(document: Path) -> list[str]:
    """Return the command lines that a document prints: those of its shell blocks, and those inside a sentence."""
    blocks = [fence.text.replace("\\\n", " ") for fence in fences(document) if fence.language == "sh"]
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return lines + re.findall(r"`((?:make|manage\.py|\.venv/bin/\w+) [^`]+)`", prose(document))


def links(document: Path) -> list[str]:
    """Return the targets of a document's links."""
    return _LINK.findall(_CODE.sub("", prose(document)))


def anchors(document: Path) -> set[str]:
    """Return what its headings can be linked to as."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tables(document: Path) -> Iterator[list[dict[str, str]]]:
    """Yield the tables of a document, each row by the names of its columns."""
    rows: list[list[str]] = []
    for line in [*prose(document).splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows:
            heading, _, *body = rows
            yield [dict(zip(heading, row, strict=True)) for row in body]
            rows = []


def table(document: Path, *columns: str) -> list[dict[str, str]]:
    """Return the one table of a document with exactly these columns."""
    (found,) = [rows for rows in tables(document) if rows and tuple(rows[0]) == columns]
    return found


def codes(cell: str) -> list[str]:
    """Return what is marked as code in a cell."""
    return _CODE.findall(cell)
