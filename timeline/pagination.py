"""Pages by cursor: new posts do not shift what somebody is reading."""

from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request


class PostPagination(CursorPagination):
    """Newest first; ``?limit=`` up to 100, ``?cursor=`` as ``next`` and ``previous`` give it."""

    ordering = ("-created_at", "-id")
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return where to go on.

        Raises:
            ValidationError: the cursor is not one that was given out.

        """
        if self.cursor_query_param not in request.query_params:
            return None
        try:
            cursor: Cursor | None = super().decode_cursor(request)
            # DRF trusts the position, and the database would stumble over it.
            position = None if cursor is None else cursor.position
            is_good = position is None or parse_datetime(str(position)) is not None
        except (NotFound, ValueError) as error:
            raise _wrong_cursor() from error
        if not is_good:
            raise _wrong_cursor()
        return cursor

    def get_page_size(self, request: Request) -> int:
        """Return how many posts a page has.

        Raises:
            ValidationError: ``limit`` is not a number from 1 to 100.

        """
        text: Any = request.query_params.get("limit")
        if text is None:
            return self.page_size
        if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= self.max_page_size:  # noqa: PLR2004 - digits
            raise ValidationError({"limit": [f"This is a whole number from 1 to {self.max_page_size}."]})
        return int(text)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what a page looks like."""
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
            "additionalProperties": False,
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the parameters of a page."""
        cursor, limit = super().get_schema_operation_parameters(view)
        limit["schema"] = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [cursor, limit]


def _wrong_cursor() -> ValidationError:
    return ValidationError({"cursor": ["This cursor was not given out by this list; start again without one."]})
