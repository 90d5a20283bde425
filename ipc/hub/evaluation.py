"""Evaluating expressions for whoever asks: each one is short, and the event loop has a turn between them."""

import time
from typing import Any, Final

from ipc.hub.loop_time import LoopTime
from ipc.jsonlex import Limits, evaluate
from ipc.jsonlex.program import Result

EVALUATION_LIMITS: Final = Limits(nodes=2_000, steps=20_000, result_bytes=256 * 1024)
"""What an expression may cost that was sent to be evaluated. The worst that is known takes 7 ms, compiling it included,
on a machine whose two cores are busy."""


async def evaluate_asked(loop_time: LoopTime, expression: Any, context: Any) -> Result:
    """Return what an expression gives; what is no expression is returned as it is.

    Raises:
        JSONLexError: it is wrong, or costs too much.

    """
    await loop_time.room()
    began = time.perf_counter()
    try:
        return evaluate(expression, context, EVALUATION_LIMITS)
    finally:
        loop_time.use(time.perf_counter() - began)
