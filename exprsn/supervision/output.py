"""The lines of several programs on one stream, each with the name of its program in front."""

import os
import sys
from collections.abc import Mapping
from typing import Final, Protocol, TextIO

COLOURS: Final = (36, 35, 33, 32, 34, 96, 95, 93, 92, 94)
# A log line may carry what a user typed, which must not steer the terminal: ECMA-48 control characters, but the tab.
_VISIBLE: Final = {code: "�" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\t")}


class Output(Protocol):
    """Where lines go."""

    def line(self, name: str, text: str) -> None:
        """Take one line of the program of this name."""
        ...


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


class PrefixedOutput:
    """Writes ``name | text``; once nobody reads the stream any more, lines are dropped."""

    def __init__(self, stream: TextIO, *, colour: bool, width: int = 9) -> None:
        self._stream = stream
        self._colour = colour
        self._width = width
        self._colours: dict[str, int] = {}

    def line(self, name: str, text: str) -> None:
        """Write one line with the name in front, in the colour of that name."""
        prefix = f"{name:<{self._width}} |"
        if self._colour:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self.write(f"{prefix} {text.translate(_VISIBLE)}")

    def write(self, text: str) -> None:
        """Write text as it is, and a newline."""
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            # The reader has gone; what is still buffered must not fail again when Python exits.
            self._stream = _discarding(self._stream)


def _discarding(stream: TextIO) -> TextIO:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)
    return stream


def standard_output() -> PrefixedOutput:
    """Return the output on the terminal, or wherever stdout goes."""
    return PrefixedOutput(sys.stdout, colour=wants_colour(sys.stdout, os.environ))
