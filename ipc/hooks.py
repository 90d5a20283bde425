"""Hooks: what a worker tells its own process when something happens; nothing of it is ever sent anywhere."""

import inspect
import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import Final, Literal

from ipc.hub.tasks import OwnedTasks

logger = logging.getLogger(__name__)

HookName = Literal["ready", "sent", "received", "error", "handler_error"]
HOOKS: Final[tuple[HookName, ...]] = ("ready", "sent", "received", "error", "handler_error")
Hook = Callable[..., object]


class Hooks:
    """The hooks of one worker.

    Args:
        tasks: run what an ``async`` hook returns.

    """

    def __init__(self, tasks: OwnedTasks) -> None:
        self._tasks = tasks
        self._functions: dict[HookName, list[Hook]] = {name: [] for name in HOOKS}

    def check(self, name: HookName) -> None:
        """Look whether there is such a hook.

        Raises:
            ValueError: there is no hook of that name.

        """
        if name not in self._functions:
            raise ValueError(f"there is no hook {name!r}; known are {', '.join(HOOKS)}")

    def add(self, name: HookName, function: Hook) -> None:
        """Add a function to a hook that there is."""
        self._functions[name].append(function)

    def remove(self, name: HookName, function: Hook) -> None:
        """Take a function back.

        Raises:
            ValueError: there is no hook of that name, or the function is none of its.

        """
        self.check(name)
        self._functions[name].remove(function)

    def has(self, name: HookName) -> bool:
        """Tell whether anything is to be called."""
        return bool(self._functions[name])

    def call(self, name: HookName, *args: object) -> None:
        """Call all functions of a hook; what one raises is logged, and the others are called all the same."""
        for function in self._functions[name]:
            try:
                result = function(*args)
            except Exception:
                logger.exception("the hook %s failed", name)
            else:
                if inspect.iscoroutine(result):
                    self._tasks.start(result, f"hook {name}", copy_context())
