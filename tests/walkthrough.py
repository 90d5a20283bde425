"""Following a document as its reader would: block after block, in a folder that looks like the project's.

A shell block is run by bash, in the terminal that the prose names last (``in the second terminal``), which remembers
what was exported there. A block of Python or JavaScript is saved under the name that the prose gives it. A block of
text or JSON is what the block before it has printed. What only a test has to know is in a comment that readers do not
see:

    <!-- keeps running as pulse until "is ready" -->   the next block does not end by itself
    <!-- pulse says -->                                the next block is a part of what that program prints
    <!-- soon -->                                      the command before is repeated until it prints the next block
    <!-- stop pulse -->                                Ctrl-C in its terminal
    <!-- needs node -->                                up to the next heading
    <!-- not run: a reason -->                         the next block
"""

import json
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests import node
from tests.leaks import output
from tests.markdown import ROOT, Step, steps
from tests.printed import has_members, is_printed
from tests.running import Running

TIMEOUT_S: Final = 120.0
POLL_S: Final = 0.2
# Written by runs, by git, and by readers of these pages.
NOT_THE_PROJECTS: Final = frozenset({"var", ".git", ".env", "examples"})

_COMMENT: Final = re.compile(r"<!-- (.+?) -->")
_BACKGROUND: Final = re.compile(r'keeps running as (\w+) until "(.+)"')
_NAMED: Final = re.compile(r"`([\w./-]+\.(?:py|mjs))`")
_TERMINAL: Final = re.compile(r"\b(first|second|third|fourth) terminal\b")

SAVED: Final = frozenset({"python", "js"})
PRINTED: Final = frozenset({"text", "json", ""})


def lay_out(folder: Path) -> None:
    """Make a folder that looks like the project's, but for what a run writes."""
    folder.mkdir(parents=True)
    for entry in ROOT.iterdir():
        if entry.name not in NOT_THE_PROJECTS:
            (folder / entry.name).symlink_to(entry)
    # In a terminal curl shows no progress.
    (folder / ".curlrc").write_text("silent\nshow-error\n")


class Reader:
    """Reads one document, and does what it says.

    Args:
        folder: where commands are run, as `lay_out` makes it.
        environment: of the terminals.
        replaced: what stands in the document, and what it is here: ports.
        running: programs that run already, by the command that starts them.

    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        replaced: Mapping[str, str],
        running: Mapping[str, Running],
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._replaced = re.compile(rf"\b(?:{'|'.join(replaced)})\b"), replaced
        self._given = running
        self._programs: dict[str, Running] = {}
        self._terminal = "first"
        self._command = ""
        self._last: str | Running = ""
        self._is_node_wanted = False
        self.left_out: list[str] = []

    def read(self, document: Path) -> None:
        """Do everything; what was started and not stopped is stopped at the end."""
        try:
            for step in steps(document):
                try:
                    self._take(step)
                except AssertionError as error:
                    raise AssertionError(f"{document.name}:{step.line}: {error}") from error
        finally:
            for program in self._programs.values():
                if program not in self._given.values():
                    program.stop()

    def _take(self, step: Step) -> None:
        if re.search(r"^#", step.before, re.MULTILINE):
            self._is_node_wanted = False
        comments = _COMMENT.findall(step.before)
        for comment in comments:
            if comment.startswith("stop "):
                self._programs.pop(comment.removeprefix("stop ")).stop()
        self._is_node_wanted |= "needs node" in comments
        for terminal in _TERMINAL.findall(step.before):
            self._terminal = terminal
        left_out = [comment for comment in comments if comment.startswith("not run: ")]
        if left_out:
            self.left_out += left_out
        elif not (self._is_node_wanted and node.missing()):
            self._do(step, comments)

    def _do(self, step: Step, comments: list[str]) -> None:
        text = self._text(step.fence.text)
        if step.fence.language in SAVED:
            self._save(text, _NAMED.findall(step.before))
        elif step.fence.language in PRINTED:
            names = [comment.removesuffix(" says") for comment in comments if comment.endswith(" says")]
            speaker = self._programs[names[0]] if names else self._last
            self._compare(text, speaker, is_json=step.fence.language == "json", is_soon="soon" in comments)
        else:
            assert step.fence.language == "sh", f"nobody knows what to do with {step.fence.language!r}"
            found = next(filter(None, map(_BACKGROUND.fullmatch, comments)), None)
            self._last = self._run(text) if found is None else self._start(text, found[1], self._text(found[2]))

    def _text(self, text: str) -> str:
        pattern, replaced = self._replaced
        return pattern.sub(lambda found: replaced[found[0]], text)

    def _save(self, text: str, names: list[str]) -> None:
        assert names, "the prose before the block does not say what to save it as; say it as `name.py`"
        file = self._folder / names[-1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _run(self, text: str) -> str:
        self._command = text
        done = subprocess.run(
            self._shell(text),
            cwd=self._folder,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        output.info(done.stdout)
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        return done.stdout

    def _start(self, text: str, name: str, sentence: str) -> Running:
        given = self._given.get(text.strip())
        *before, last = text.strip().splitlines()
        # Bash becomes the program, which so is on the leash of the tests itself.
        script = "\n".join([*before, f'export -p > "{self._state()}"', f"exec env {last}"])
        program = given or Running(self._shell(script), self._environment, self._folder)
        self._programs[name] = program
        program.until_it_has_said(sentence)
        return program

    def _state(self) -> Path:
        state = self._folder / f".{self._terminal}-terminal"
        state.touch()
        return state

    def _shell(self, text: str) -> list[str]:
        state = self._state()
        script = f'. "{state}"\ntrap \'export -p > "{state}"\' EXIT\nset -euo pipefail\n{text}'
        return ["bash", "-c", script]

    def _compare(self, shown: str, speaker: str | Running, *, is_json: bool, is_soon: bool) -> None:
        give_up_at = time.monotonic() + TIMEOUT_S
        if isinstance(speaker, Running):
            speaker.until_it_shows(shown)
            return
        while not (_is_answered(shown, speaker) if is_json else is_printed(shown, speaker)):
            assert is_soon, f"shown:\n{shown}\nprinted:\n{speaker}"
            assert time.monotonic() < give_up_at, f"shown:\n{shown}\nnever printed:\n{speaker}"
            time.sleep(POLL_S)
            speaker = self._run(self._command)


def _is_answered(shown: str, printed: str) -> bool:
    try:
        return has_members(json.loads(shown), json.loads(printed))
    except ValueError:
        return False
