"""Writing expressions in tests."""

from typing import Any

from ipc.jsonlex import Limits, Result, evaluate
from ipc.jsonlex.limits import DEFAULT_LIMITS


def wrapped(expr: Any) -> dict[str, Any]:
    """Return an expression as it is sent."""
    return {"__jsonlex": True, "expr": expr}


def run(expr: Any, context: Any = None, limits: Limits = DEFAULT_LIMITS) -> Result:
    """Evaluate an expression that has no wrapper."""
    return evaluate(wrapped(expr), context, limits)


def var(path: str) -> dict[str, Any]:
    """Return a variable."""
    return {"$var": path}
