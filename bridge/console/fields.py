"""The fields of the console's forms: what people write, checked as the mesh itself would check it."""

import time
from typing import Any

import msgspec
from django import forms

from ipc.protocol import codec
from ipc.protocol.errors import IPCError
from ipc.protocol.limits import Limits
from ipc.protocol.moments import moment_ms
from ipc.protocol.patterns import check_event, compile_pattern
from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import SERVICES, SHORT_NAMES
from ipc.stores.event_filter import EventFilter

MAX_EXPRESSION: int = 8 * 1024
MAX_JSON: int = 1024 * 1024


class CheckedField(forms.CharField):
    """Text that `checked` makes a value of; none is empty."""

    def checked(self, text: str) -> Any:
        """Return what a text says.

        Raises:
            IPCError: it says nothing that makes sense.

        """
        raise NotImplementedError

    def clean(self, value: Any) -> Any:
        """Return what was written, or None where that is nothing.

        Raises:
            ValidationError: with what is wrong.

        """
        text = super().clean(value)
        try:
            return self.checked(text) if text else None
        except IPCError as error:
            raise forms.ValidationError(error.message) from error


class MomentField(CheckedField):
    """A moment, to Unix milliseconds."""

    def checked(self, text: str) -> int:
        """Return it."""
        return moment_ms(text, now_ms=time.time_ns() // 1_000_000)


class PatternField(CheckedField):
    """A pattern of event names."""

    def checked(self, text: str) -> str:
        """Return it as it is."""
        compile_pattern(text)
        return text


class EventField(CheckedField):
    """The name of an event."""

    def checked(self, text: str) -> str:
        """Return it as it is."""
        return check_event(text)


class JSONField(CheckedField):
    """JSON as the data of an event are; its value is the text, in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_JSON, strip=False, widget=forms.Textarea(attrs={"rows": 8}), **options)

    def checked(self, text: str) -> str:
        """Return it."""
        return codec.checked_json(codec.sendable(text).encode(), Limits(data_bytes=MAX_JSON))


class ExpressionField(CheckedField):
    """JSONLex, to JSON as Python has it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_EXPRESSION, **options)

    def checked(self, text: str) -> Any:
        """Return it; whether it is an expression, who uses it finds out."""
        return msgspec.json.decode(codec.checked_json(codec.sendable(text).encode(), Limits()))


class ConditionField(ExpressionField):
    """A JSONLex condition, of which the mistakes are shown with their place."""

    def checked(self, text: str) -> Any:
        """Return it if it can be compiled."""
        condition = super().checked(text)
        EventFilter.of(where=condition)
        return condition


def services(*before: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the services as choices, after some others."""
    return [*before, *zip(SERVICES, SHORT_NAMES, strict=True)]


LOGS = services(("", "all logs"), (BROADCAST, BROADCAST))
