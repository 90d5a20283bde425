"""The table of operators, filled: importing the families enters theirs. A new family is added here."""

from ipc.jsonlex.operators import arrays, comparison, logic, loops, numbers, objects, strings, variables
from ipc.jsonlex.registry import OPERATORS

FAMILIES = (variables, comparison, logic, strings, numbers, arrays, loops, objects)

__all__ = ["FAMILIES", "OPERATORS"]
