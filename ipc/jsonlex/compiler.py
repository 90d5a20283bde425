"""From an expression's JSON to closures, in one pass from the outside to the inside.

What does not depend on the context is computed once, here, as long as that is cheap; what fails then is left to fail
when it is run, because it may stand in a branch that never is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ipc.jsonlex.code import Code, Frame, Place, Run, constant
from ipc.jsonlex.errors import JSONLexError, child, invalid, shown
from ipc.jsonlex.operators import OPERATORS

FOLD_STEPS: Final = 5_000
"""Steps that one compilation spends on computing constants."""

FOLDED_SIZE: Final = 4_096
"""Characters or items of a constant that is kept in place of what computes it."""


@dataclass(slots=True)
class Compiler:
    """The state of one compilation: how many loop variables there are at most, and what is left for constants."""

    frame_size: int = 1
    fold_frame: Frame = field(default_factory=lambda: [FOLD_STEPS])

    def expression(self, value: Any, pointer: str, names: Mapping[str, int]) -> Code:
        """Compile any expression.

        Args:
            value: JSON that `check_shape` has seen.
            pointer: where it stands.
            names: the loop variables that are visible there, each with its index in the frame.

        Raises:
            JSONLexError: JSONLEX_INVALID.

        """
        if type(value) is dict:
            for name in value:
                if name.startswith("$"):
                    return self._operator(value, pointer, names)
            return self._object(value, pointer, names)
        if type(value) is list:
            return self._array(value, pointer, names)
        return constant(value, 1)

    def bind(self, names: Mapping[str, int], *bound: str) -> tuple[Mapping[str, int], list[int]]:
        """Make loop variables visible; return all that are visible then, and the indices of the new ones."""
        first = 1 + max(names.values(), default=0)
        indices = [*range(first, first + len(bound))]
        self.frame_size = max(self.frame_size, first + len(bound))
        return {**names, **dict(zip(bound, indices, strict=True))}, indices

    def fold(self, code: Code) -> Code:
        """Return code whose parts are all constant as a constant, if that is cheap and works."""
        if self.fold_frame[0] < 0:
            return code
        try:
            value = code.run(None, self.fold_frame)
        except JSONLexError:
            return code
        if isinstance(value, str | list | dict) and len(value) > FOLDED_SIZE:
            return code
        return constant(value, code.cost)

    def _operator(self, value: dict[str, Any], pointer: str, names: Mapping[str, int]) -> Code:
        if len(value) > 1:
            raise invalid("an object with a $ member has that one only; $literal takes objects as they are", pointer)
        ((name, argument),) = value.items()
        operator = OPERATORS.get(name)
        if operator is None:
            raise invalid(
                f"there is no operator {shown(name)}; $literal takes objects as they are", child(pointer, name)
            )
        at = child(pointer, name)
        return operator.build(self, argument, Place(name, at), names)

    def _object(self, value: dict[str, Any], pointer: str, names: Mapping[str, int]) -> Code:
        members = {name: self.expression(member, child(pointer, name), names) for name, member in value.items()}
        cost = 1 + sum(code.cost for code in members.values())
        if all(code.constant for code in members.values()):
            return constant({name: code.value for name, code in members.items()}, cost)
        runs = [(name, code.run) for name, code in members.items()]

        def run(context: Any, frame: Frame) -> Any:
            return {name: part(context, frame) for name, part in runs}

        return Code(run, cost)

    def _array(self, value: list[Any], pointer: str, names: Mapping[str, int]) -> Code:
        items = [self.expression(item, child(pointer, index), names) for index, item in enumerate(value)]
        cost = 1 + sum(code.cost for code in items)
        if all(code.constant for code in items):
            return constant([code.value for code in items], cost)
        runs: list[Run] = [code.run for code in items]

        def run(context: Any, frame: Frame) -> Any:
            return [part(context, frame) for part in runs]

        return Code(run, cost)
