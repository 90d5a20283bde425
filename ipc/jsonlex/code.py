"""What a part of an expression is compiled to.

A compiled part is a closure of two arguments: the context, and the frame. ``frame[0]`` is how many steps are left, the
other items are the loop variables, each at the index that the compiler gave it. A list, because nothing in Python is
read and written faster, and every loop does both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ipc.jsonlex.errors import JSONLexError
from ipc.jsonlex.limits import CHARACTERS_PER_STEP
from ipc.protocol.codes import ErrorCode

Frame = list[Any]
Run = Callable[[Any, Frame], Any]


@dataclass(frozen=True, slots=True)
class Code:
    """A compiled part: how to run it, and what is known about it without running it."""

    run: Run
    cost: int
    """Steps of running it once, without what its loops and texts add."""
    constant: bool = False
    value: Any = None
    """Its value, if it is constant."""
    boolean: bool = False
    """Whether its value is always true or false."""


def constant(value: Any, cost: int) -> Code:
    """Return code whose value is known."""
    return Code(lambda _context, _frame: value, cost, constant=True, value=value, boolean=isinstance(value, bool))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operator stands in its expression; it makes the operator's errors and takes its steps."""

    name: str
    pointer: str

    def wrong_type(self, message: str) -> JSONLexError:
        """Return the error of values that the operator is not for."""
        return JSONLexError(f"{self.name}: {message}", code=ErrorCode.JSONLEX_TYPE, pointer=self.pointer)

    def out_of_range(self, message: str) -> JSONLexError:
        """Return the error of a number that cannot be computed or has no JSON form."""
        return JSONLexError(f"{self.name}: {message}", code=ErrorCode.JSONLEX_RANGE, pointer=self.pointer)

    def charge(self, frame: Frame, steps: int) -> None:
        """Take steps before the work that they pay for.

        Raises:
            JSONLexError: JSONLEX_TOO_COSTLY, not so many are left.

        """
        frame[0] -= steps
        if frame[0] < 0:
            raise too_costly(self.name, self.pointer)

    def charge_text(self, frame: Frame, characters: int) -> None:
        """Take the steps of reading or writing text; short text is free."""
        if characters >= CHARACTERS_PER_STEP:
            self.charge(frame, characters // CHARACTERS_PER_STEP)


def too_costly(name: str, pointer: str) -> JSONLexError:
    """Return the error of an evaluation that has no steps left."""
    return JSONLexError(
        f"{name}: the evaluation takes more steps than it may; loop over less, or shorten the texts",
        code=ErrorCode.JSONLEX_TOO_COSTLY,
        pointer=pointer,
    )
