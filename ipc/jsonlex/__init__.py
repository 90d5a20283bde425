"""JSONLex: expressions written as JSON, compiled once and evaluated with a budget.

It is pure: values in, values out. `compile_expression` and `evaluate` are for whole values, `compile_where` and
`compile_select` for the filters and shapes of subscriptions.
"""

from ipc.jsonlex.errors import JSONLexError
from ipc.jsonlex.limits import Limits
from ipc.jsonlex.program import (
    Predicate,
    Program,
    Projection,
    Result,
    compile_expression,
    compile_select,
    compile_where,
    evaluate,
)

__all__ = [
    "JSONLexError",
    "Limits",
    "Predicate",
    "Program",
    "Projection",
    "Result",
    "compile_expression",
    "compile_select",
    "compile_where",
    "evaluate",
]
