"""What handlers have raised in a test."""

from dataclasses import dataclass

from ipc.dispatch import EventContext


@dataclass(frozen=True, slots=True)
class HandlerFailure:
    """An exception that a handler raised; ``context`` tells for which event, and in a group at which attempt."""

    service: str
    error: Exception
    context: EventContext

    def __str__(self) -> str:
        group = f" (group {self.context.group}, attempt {self.context.attempt})" if self.context.group else ""
        return f"{self.service} on {self.context.event}{group}: {type(self.error).__name__}: {self.error}"
