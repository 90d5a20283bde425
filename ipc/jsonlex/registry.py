"""The table of operators: each family of ``operators`` enters its own, with what the reference page says of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ipc.jsonlex.code import Code, Place


class Compiling(Protocol):
    """What an operator asks of the compiler."""

    def expression(self, value: Any, pointer: str, names: Mapping[str, int]) -> Code:
        """Compile a part."""
        ...

    def bind(self, names: Mapping[str, int], *bound: str) -> tuple[Mapping[str, int], list[int]]:
        """Make loop variables visible."""
        ...

    def fold(self, code: Code) -> Code:
        """Compute code whose parts are all constant."""
        ...


Build = Callable[[Compiling, Any, Place, Mapping[str, int]], Code]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: how it is written, what it does, and how it is compiled."""

    name: str
    family: str
    form: str
    """What it takes, as the reference page writes it: ``[a, b]``."""
    doc: str
    build: Build


OPERATORS: Final[dict[str, Operator]] = {}


def enter(name: str, form: str, doc: str, build: Build, *, module: str) -> None:
    """Put an operator into the table.

    Raises:
        ValueError: there is one of that name.

    """
    if name in OPERATORS:
        raise ValueError(f"{name} is in the table already")
    OPERATORS[name] = Operator(name, module.rpartition(".")[2], form, doc, build)


def special(name: str, form: str, doc: str) -> Callable[[Build], Build]:
    """Enter the decorated function, which compiles the operator itself."""

    def entered(build: Build) -> Build:
        enter(name, form, doc, build, module=build.__module__)
        return build

    return entered
