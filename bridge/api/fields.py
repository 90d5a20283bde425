"""Fields that take what their JSON type says and nothing that could be made into it, as the messages of a socket do."""

import re
from typing import Any, Final

from rest_framework import serializers

_DIGITS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Text(serializers.CharField):
    """A string as it is; DRF would take a number, and cut off what is white."""

    default_error_messages = {"invalid": "This is a string."}

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return it.

        Raises:
            ValidationError: it is no string.

        """
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """``true`` or ``false``; DRF would take ``"yes"`` and 1."""

    def to_internal_value(self, data: Any) -> bool:
        """Return it.

        Raises:
            ValidationError: it is neither.

        """
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class WholeNumber(serializers.IntegerField):
    """A number without a fraction, ``5`` or ``5.0``; in an address, its digits. DRF would take ``"5"`` in a body."""

    def __init__(self, *, in_address: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._in_address = in_address

    def to_internal_value(self, data: Any) -> int:
        """Return it.

        Raises:
            ValidationError: it is none, or out of bounds.

        """
        is_number = isinstance(data, int) and not isinstance(data, bool)
        is_number = is_number or (isinstance(data, float) and data.is_integer())
        if self._in_address:
            is_number = isinstance(data, str) and _DIGITS.fullmatch(data) is not None
        if not is_number:
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Words(serializers.ListField):
    """Texts, given as a list or as one."""

    child = Text(max_length=256)

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_empty=False, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return them as a list."""
        return super().to_internal_value([data] if isinstance(data, str) else data)
