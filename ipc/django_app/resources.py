"""`ModelResource`: a Django model as a resource, with the serializer, permissions and pagination of its viewset."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import router
from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.pagination import BasePagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.settings import api_settings

from ipc.django_app.calls.errors import ipc_error
from ipc.django_app.calls.queries import KeyPagination, ModelQueries
from ipc.django_app.calls.requests import CallView, ModelCall, identity_of, request_of
from ipc.django_app.calls.threads import DatabaseThreads
from ipc.protocol.calls import CRUD
from ipc.protocol.errors import ValidationFailedError
from ipc.protocol.services import full_name
from ipc.resources import CallContext

M = TypeVar("M", bound=Model)
T = TypeVar("T")
THREADS: Final = 4


class ModelResource(Generic[M]):
    """Create, read, update and delete the objects of a queryset by calls.

    A call is handed to the permissions, the serializer and the pagination as a request of DRF: ``request.user`` is an
    `Identity` for the service that calls, ``request.auth`` the `CallContext`. Subclass it to write in another way, or
    to add operations; the methods that are not ``async`` run in a thread, those that write in a transaction.

    Args:
        queryset: what there is.
        serializer: what an object is as JSON, and what is checked before one is written.
        ops: the operations that there are.
        filters: names of fields, as the JSON has them, that the query of a ``read`` may ask for.
        ordering: names of fields that ``ordering`` in the query may name.
        permissions: as ``permission_classes``; those of the project where it is None.
        pagination: as ``pagination_class``; that of the project, or `KeyPagination`, where it is None.
        on_behalf: services that may act for the user that they name in ``meta.user``; or a function that returns them.
        lookup: the field that ``key`` is.
        threads: how many calls the database is given at once.

    Raises:
        TypeError: a filter or an order names no field of the serializer.
        UnknownServiceError: ``on_behalf`` names a service that the catalogue does not have.

    """

    def __init__(
        self,
        queryset: QuerySet[M],
        serializer: type[BaseSerializer[Any]],
        *,
        ops: Sequence[str] = CRUD,
        filters: Sequence[str] = (),
        ordering: Sequence[str] = (),
        permissions: Sequence[type[BasePermission]] | None = None,
        pagination: type[BasePagination] | None = None,
        on_behalf: Collection[str] | Callable[[], Collection[str]] = (),
        lookup: str = "pk",
        threads: int = THREADS,
    ) -> None:
        self.ops = tuple(ops)
        self.queryset = queryset
        self.serializer = serializer
        # DRF's settings are typed as text, which they are before they are read.
        project: Any = api_settings
        self.permissions: Sequence[type[BasePermission]] = (
            project.DEFAULT_PERMISSION_CLASSES if permissions is None else permissions
        )
        pages: type[BasePagination] = pagination or project.DEFAULT_PAGINATION_CLASS or KeyPagination
        self._queries = ModelQueries(serializer, filters, ordering, pages)
        self._on_behalf = on_behalf if callable(on_behalf) else frozenset(map(full_name, on_behalf))
        self._lookup = lookup
        self._threads = DatabaseThreads(queryset.model._meta.model_name or "model", threads)

    # What a subclass may do otherwise

    def get_queryset(self, request: Request) -> QuerySet[M]:  # noqa: ARG002 - for subclasses
        """Return what the caller may see."""
        return self.queryset.all()

    def perform_create(self, request: Request, serializer: BaseSerializer[Any]) -> M:  # noqa: ARG002 - as above
        """Write a new object from what was checked, and return it."""
        return serializer.save()  # type: ignore[no-any-return]  # an object of the queryset's model

    def perform_update(self, request: Request, found: M, serializer: BaseSerializer[Any]) -> M:  # noqa: ARG002
        """Change an object to what was checked, and return it."""
        return serializer.save()  # type: ignore[no-any-return]  # as above

    def perform_delete(self, request: Request, found: M) -> None:  # noqa: ARG002
        """Delete an object."""
        found.delete()

    # Operations

    async def create(self, data: Any, ctx: CallContext) -> Any:
        """Create an object and return it."""
        return await self.work(ModelCall(ctx=ctx, method="POST", data=data), self._create, is_write=True)

    async def read(self, ctx: CallContext, key: str | int | None = None, query: Any = None) -> Any:
        """Return the object with a key, or a page of those that a query asks for."""
        if key is None:
            call = ModelCall(ctx=ctx, method="GET", query=_object("query", query))
            return await self.work(call, lambda request: self._page(request, call.query))
        if query is not None:
            raise ValidationFailedError("read takes a key or a query", details={"query": ["Not with a key."]})
        call = ModelCall(ctx=ctx, method="GET", key=key)
        return await self.work(call, lambda request: self.shown(request, self.found(request, key)))

    async def update(self, key: str | int, data: Any, ctx: CallContext, query: Any = None) -> Any:
        """Change what ``data`` names; all of the object with ``{"partial": false}`` as query."""
        options = {"partial": True, **_object("query", query)}
        is_partial = options.pop("partial")
        if options or not isinstance(is_partial, bool):
            wrong = next(iter(options), "partial")
            raise ValidationFailedError(
                'the query of update is {"partial": true} or {"partial": false}', details={wrong: ["This is wrong."]}
            )
        call = ModelCall(ctx=ctx, method="PATCH" if is_partial else "PUT", key=key, data=data)
        return await self.work(call, lambda request: self._update(request, key, is_partial=is_partial), is_write=True)

    async def delete(self, key: str | int, ctx: CallContext) -> None:
        """Delete an object."""
        call = ModelCall(ctx=ctx, method="DELETE", key=key)
        await self.work(call, lambda request: self._delete(request, key), is_write=True)

    # For operations of a subclass

    async def work(self, call: ModelCall, work: Callable[[Request], T], *, is_write: bool = False) -> T:
        """Do blocking work for a call that the permissions let through, in a thread.

        Raises:
            IPCError: what Django, DRF or the work raised, as a caller is told of it.

        """
        model = self.queryset.model
        using = router.db_for_write(model) if is_write else router.db_for_read(model)
        try:
            on_behalf = self._on_behalf() if callable(self._on_behalf) else self._on_behalf
            request = request_of(call, identity_of(call.ctx, on_behalf))

            def permitted() -> T:
                self._check(request, call)
                return work(request)

            return await self._threads.run(permitted, call.ctx, using=using, is_write=is_write)
        except Exception as error:
            known = ipc_error(error)
            if known is None or known is error:
                raise
            raise known from error

    def found(self, request: Request, key: str | int) -> M:
        """Return the object with a key.

        Raises:
            NotFound: there is none, or not for this caller.
            PermissionDenied: it is there, and the caller may not do this with it.

        """
        try:
            found = self.get_queryset(request).filter(**{self._lookup: key}).first()
        except (ValueError, TypeError, OverflowError, DjangoValidationError):
            found = None
        if found is None:
            raise NotFound(f"there is no {self.queryset.model._meta.verbose_name} {key!r:.100}")
        view: Any = CallView(cast(CallContext, request.auth).op, self.queryset, key)
        for permission in self._permissions():
            if not permission.has_object_permission(request, view, found):
                raise PermissionDenied(getattr(permission, "message", None))
        return found

    def shown(self, request: Request, found: M) -> Any:
        """Return an object as JSON."""
        return self.serializer(found, context={"request": request}).data

    def checked(self, request: Request, found: M | None = None, *, is_partial: bool = False) -> BaseSerializer[Any]:
        """Return the serializer with the checked data of a request.

        Raises:
            ValidationError: with the errors of each field.

        """
        serializer = self.serializer(found, data=request.data, partial=is_partial, context={"request": request})
        serializer.is_valid(raise_exception=True)
        return serializer

    # Inside

    def _create(self, request: Request) -> Any:
        return self.shown(request, self.perform_create(request, self.checked(request)))

    def _page(self, request: Request, query: Mapping[str, Any]) -> Any:
        def show(found: Sequence[Any]) -> Any:
            return self.serializer(found, many=True, context={"request": request}).data

        return self._queries.page(request, self.get_queryset(request), query, show)

    def _update(self, request: Request, key: str | int, *, is_partial: bool) -> Any:
        found = self.found(request, key)
        return self.shown(
            request, self.perform_update(request, found, self.checked(request, found, is_partial=is_partial))
        )

    def _delete(self, request: Request, key: str | int) -> None:
        self.perform_delete(request, self.found(request, key))

    def _check(self, request: Request, call: ModelCall) -> None:
        view: Any = CallView(call.ctx.op, self.queryset, call.key)
        for permission in self._permissions():
            if not permission.has_permission(request, view):
                raise PermissionDenied(getattr(permission, "message", None))

    def _permissions(self) -> list[BasePermission]:
        return [permission() for permission in self.permissions]


def _object(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValidationFailedError(f"{name} is an object", details={name: ["This is an object."]})
    return dict(value)
