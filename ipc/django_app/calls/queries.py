"""What a ``read`` may ask for: filters by named fields, an order and a page; nothing reaches the ORM unchecked."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.fields import Field, empty
from rest_framework.pagination import BasePagination, CursorPagination
from rest_framework.relations import RelatedField
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer, Serializer

from ipc.django_app.calls.requests import CallView, parameter

ORDERING: Final = "ordering"
_PAGE_PARAMETERS: Final = (
    "cursor_query_param",
    "page_size_query_param",
    "page_query_param",
    "limit_query_param",
    "offset_query_param",
)


class KeyPagination(CursorPagination):
    """What is used where neither the resource nor the project names a class: by primary key, newest first."""

    ordering = "-pk"
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100


class _AskedOrdering:
    """Tells `CursorPagination` of the order that a query has asked for, as a filter backend of a viewset would."""

    def get_ordering(self, _request: Request, _queryset: object, view: Any) -> Sequence[str] | None:
        return view.ordering  # type: ignore[no-any-return]  # a CallView with the attribute that is set below


class ModelQueries:
    """The queries that a resource answers.

    Args:
        serializer: whose fields the names are, as the JSON has them.
        filters: names of fields that may be asked for by value.
        ordering: names of fields that ``ordering`` may name, with ``-`` for the other direction.
        pagination: a pagination class of DRF.

    Raises:
        TypeError: the serializer has no such field, or one that cannot be asked for.

    """

    def __init__(
        self,
        serializer: type[BaseSerializer[Any]],
        filters: Sequence[str],
        ordering: Sequence[str],
        pagination: type[BasePagination],
    ) -> None:
        instance = serializer()
        fields: Mapping[str, Any] = instance.fields if isinstance(instance, Serializer) else {}
        if unknown := [name for name in [*filters, *ordering] if name not in fields]:
            raise TypeError(f"{serializer.__name__} has no field {', '.join(unknown)}")
        self._filters = {name: (_source(fields[name]), _asked(name, fields[name])) for name in filters}
        self._ordering = {name: _source(fields[name]) for name in ordering}
        self._pagination = pagination
        names = {getattr(pagination, attribute, None) for attribute in _PAGE_PARAMETERS}
        self._names = names | {*self._filters} | ({ORDERING} if ordering else set())

    def page(
        self,
        request: Request,
        queryset: QuerySet[Any],
        query: Mapping[str, Any],
        show: Callable[[Sequence[Any]], Any],
    ) -> dict[str, Any]:
        """Return a page as the pagination class makes it, with queries in ``next`` and ``previous`` instead of links.

        Raises:
            ValidationError: a name or a value of the query is wrong.

        """
        if unknown := [name for name in query if name not in self._names]:
            known = ", ".join(sorted(name for name in self._names if name))
            raise ValidationError({name: [f"There is no such filter; there are {known}."] for name in unknown})
        view: Any = CallView("list", self._filtered(queryset, query), None)
        view.filter_backends, view.ordering = [_AskedOrdering], self._asked_ordering(query)
        if view.ordering:
            view.queryset = view.queryset.order_by(*view.ordering)
        paginator = self._pagination()
        try:
            found = paginator.paginate_queryset(view.queryset, request, view)
        except (ValueError, OverflowError, DjangoValidationError) as error:
            # The position in a cursor is whatever a caller has written there.
            raise ValidationError({"query": ["This is no place in this list; start again without it."]}) from error
        page: dict[str, Any] = dict(paginator.get_paginated_response(show(found or [])).data)
        return {**page, **{name: _query_of(page[name], query) for name in ("next", "previous") if page.get(name)}}

    def _filtered(self, queryset: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
        wanted: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, (source, field) in self._filters.items():
            if name in query:
                try:
                    wanted[source] = field.run_validation(query[name])
                except ValidationError as error:
                    errors[name] = error.detail
        if errors:
            raise ValidationError(errors)
        return queryset.filter(**wanted) if wanted else queryset

    def _asked_ordering(self, query: Mapping[str, Any]) -> Sequence[str] | None:
        if ORDERING not in query:
            return None
        text = str(query[ORDERING])
        minus, name = ("-", text[1:]) if text.startswith("-") else ("", text)
        if name not in self._ordering:
            raise ValidationError({ORDERING: [f"This is one of {', '.join(self._ordering)}, with - for descending."]})
        return [f"{minus}{self._ordering[name]}", f"{minus}pk"]


def _source(field: Field[Any, Any, Any, Any]) -> str:
    return str(field.source).replace(".", "__")


def _asked(name: str, field: Any) -> Any:
    """Return a field that reads a value to look for, as the serializer's reads one to store."""
    if isinstance(field, RelatedField) and field.queryset is None:
        raise TypeError(f"{name} is a relation that is only read, so what a query names cannot be found")
    if field.source == "*":
        raise TypeError(f"{name} has no column of its own to be looked for")
    asked = copy.deepcopy(field)
    asked.read_only, asked.required, asked.default = False, True, empty
    # Those that look at the other fields or at what is stored, such as whether a value is unique.
    asked.validators = [each for each in asked.validators if not getattr(each, "requires_context", False)]
    return asked


def _query_of(link: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the query of a link, with the values that the caller's query had already as they were in it."""
    asked = parse_qsl(urlsplit(link).query, keep_blank_values=True)
    return {
        name: query[name] if name in query and parameter(name, query[name]) == value else value for name, value in asked
    }
