"""A model as a resource: what a viewset does with a request, it does with a call; and nothing half done stays."""

import ast
import asyncio
import inspect
import sys
import threading
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.pagination import LimitOffsetPagination, PageNumberPagination
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from ipc import IPCWorker
from ipc.django_app.identity import Identity
from ipc.django_app.resources import ModelResource
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.resources import CallContext
from ipc.testing import TestBus
from tests.database import in_thread
from tests.ipc.django_app.albums import Album, AlbumSerializer, TrustingSerializer
from tests.ipc.durable import eventually
from tests.markdown import ROOT, fences

pytestmark = pytest.mark.django_db(transaction=True)
Serve = Callable[..., Awaitable[IPCWorker]]
GUARD_S = 15


@pytest.fixture(autouse=True)
def table(transactional_db: None) -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.create_model(Album)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(Album)


@pytest.fixture
async def bus() -> AsyncIterator[TestBus]:
    async with TestBus() as bus:
        yield bus


@pytest.fixture
def serve(bus: TestBus) -> Serve:
    """Serve albums, and return a service that calls."""

    async def serve(resource: object = None, **options: Any) -> IPCWorker:
        owner, caller = IPCWorker("gallery"), IPCWorker("herald")
        serializer = options.pop("serializer", AlbumSerializer)
        owner.resource("albums")(resource or ModelResource(Album.objects.all(), serializer, **options))
        await bus.start(owner, caller)
        return caller

    return serve


async def refused(call: Awaitable[Any], code: ErrorCode) -> dict[str, Any]:
    with pytest.raises(IPCError) as error:
        await call
    assert error.value.code is code, error.value
    return dict(error.value.details or {})


async def albums() -> list[str]:
    return await in_thread(lambda: list(Album.objects.order_by("id").values_list("title", flat=True)))


async def make(*titles: str) -> None:
    await in_thread(lambda: [Album.objects.create(title=title, tracks=n) for n, title in enumerate(titles)])


async def test_the_four_operations(serve: Serve) -> None:
    ipc = await serve()
    album = await ipc.create("albums", {"title": "Summer", "released": "2026-06-01"})
    expected = {"id": album["id"], "title": "Summer", "tracks": 0, "released": "2026-06-01", "is_public": False}
    assert album == expected
    assert await ipc.read("albums", key=album["id"]) == album
    assert await ipc.read("albums", key=str(album["id"])) == album
    assert (await ipc.update("albums", album["id"], {"tracks": 3})) == {**album, "tracks": 3}
    assert await ipc.delete("albums", album["id"]) is None
    await refused(ipc.delete("albums", album["id"]), ErrorCode.NOT_FOUND)


async def test_the_serializer_refuses_what_it_refuses_over_http(serve: Serve) -> None:
    ipc = await serve()
    details = await refused(ipc.create("albums", {"tracks": "many", "released": 5}), ErrorCode.VALIDATION_FAILED)
    assert details.keys() == {"title", "tracks", "released"}
    data: Any
    for data in ([], "x", 5, True):
        assert "non_field_errors" in await refused(ipc.create("albums", data), ErrorCode.VALIDATION_FAILED)
    assert "data" in await refused(ipc.create("albums", None), ErrorCode.VALIDATION_FAILED)


async def test_what_the_database_refuses_is_a_conflict_and_shows_no_sql(serve: Serve) -> None:
    ipc = await serve(serializer=TrustingSerializer)
    await make("Summer")
    with pytest.raises(IPCError) as error:
        await ipc.create("albums", {"title": "Summer"})
    assert error.value.code is ErrorCode.CONFLICT
    assert "UNIQUE" not in error.value.message.upper()
    assert await albums() == ["Summer"]


async def test_a_title_that_exists_may_be_asked_for(serve: Serve) -> None:
    """The field of a filter does not mind that the value is there already, as it would before a write."""
    ipc = await serve(filters=["title", "is_public", "released", "id"])
    await make("Summer", "Winter")
    query: Any
    for query in ({"title": "Summer"}, {"title": "Summer", "is_public": False}, {"title": "Summer", "released": None}):
        assert [album["title"] for album in (await ipc.read("albums", query))["results"]] == ["Summer"]
    for query in ({"released": "2026-01-01"}, {"is_public": True}, {"id": 10**30}, {"id": -(2**63)}):
        assert (await ipc.read("albums", query))["results"] == []
    for query in ({"released": "soon"}, {"is_public": "perhaps"}, {"id": "1 OR 1=1"}, {"id": 1e400 * 0 + 1.5}):
        await refused(ipc.read("albums", query), ErrorCode.VALIDATION_FAILED)


async def test_only_the_named_filters_exist(serve: Serve) -> None:
    ipc = await serve()
    for name in ("title", "id", "pk", "title__contains", "ordering"):
        details = await refused(ipc.read("albums", {name: 1}), ErrorCode.VALIDATION_FAILED)
        assert details == {name: ["There is no such filter; there are cursor, limit."]}


async def everything(ipc: IPCWorker, query: Any) -> list[list[str]]:
    pages = []
    while query is not None:
        page = await ipc.read("albums", query)
        pages.append([album["title"] for album in page["results"]])
        query = page["next"]
    return pages


async def test_without_a_class_pages_are_by_key_and_bounded(serve: Serve) -> None:
    ipc = await serve()
    await make(*(f"{n:03}" for n in range(130)))
    assert [len(page) for page in await everything(ipc, {})] == [20] * 6 + [10]
    assert [len(page) for page in await everything(ipc, {"limit": 1_000_000})] == [100, 30]
    assert (await everything(ipc, {"limit": 2}))[:2] == [["129", "128"], ["127", "126"]]


async def test_an_order_may_be_asked_for_among_the_named_ones(serve: Serve) -> None:
    ipc = await serve(ordering=["tracks", "title"])
    await make("b", "c", "a")
    assert await everything(ipc, {"ordering": "title", "limit": 2}) == [["a", "b"], ["c"]]
    assert await everything(ipc, {"ordering": "-tracks", "limit": 1}) == [["a"], ["c"], ["b"]]
    for asked in ("released", "--title", "title,tracks", "?", "", None, 5, "title__lower"):
        assert "ordering" in await refused(ipc.read("albums", {"ordering": asked}), ErrorCode.VALIDATION_FAILED)


async def test_a_cursor_of_another_order_or_made_up_is_refused(serve: Serve) -> None:
    ipc = await serve(ordering=["title"])
    await make("b", "c", "a")
    cursor = (await ipc.read("albums", {"ordering": "title", "limit": 1}))["next"]["cursor"]
    await refused(ipc.read("albums", {"cursor": cursor}), ErrorCode.VALIDATION_FAILED)
    await refused(ipc.read("albums", {"cursor": "é"}), ErrorCode.NOT_FOUND)


class Numbered(PageNumberPagination):
    page_size = 2
    page_size_query_param = "size"
    max_page_size = 3


class Offset(LimitOffsetPagination):
    default_limit = 2
    max_limit = 3


@pytest.mark.parametrize(
    ("pagination", "query", "expected"),
    [
        (Numbered, {}, [["a", "b"], ["c", "d"], ["e"]]),
        (Numbered, {"size": 100}, [["a", "b", "c"], ["d", "e"]]),
        (Offset, {}, [["a", "b"], ["c", "d"], ["e"]]),
        (Offset, {"limit": 100}, [["a", "b", "c"], ["d", "e"]]),
        (Offset, {"limit": 2, "offset": 3}, [["d", "e"]]),
    ],
)
async def test_each_pagination_class_of_drf_works_with_its_limits(
    serve: Serve, pagination: Any, query: dict[str, Any], expected: list[list[str]]
) -> None:
    ipc = await serve(ModelResource(Album.objects.order_by("id"), AlbumSerializer, pagination=pagination))
    await make("a", "b", "c", "d", "e")
    assert (await ipc.read("albums", query))["count"] == 5
    assert await everything(ipc, query) == expected


class OnlyPublicIsChanged(BasePermission):
    message = "only public albums are changed"

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        return request.method in SAFE_METHODS or obj.is_public


class OnlyServices(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        assert isinstance(user, Identity)
        assert isinstance(request.auth, CallContext)
        return user.user_id == "service:exprsn-herald" and user.roles == {"service"} and view.action != "delete"


async def test_permissions_of_a_viewset_decide(serve: Serve) -> None:
    ipc = await serve(permissions=[OnlyServices, OnlyPublicIsChanged])
    await make("Summer")
    album_id = (await ipc.read("albums"))["results"][0]["id"]
    await refused(ipc.delete("albums", album_id), ErrorCode.FORBIDDEN)
    with pytest.raises(IPCError, match="only public albums are changed"):
        await ipc.update("albums", album_id, {"tracks": 5})
    await in_thread(lambda: Album.objects.update(is_public=True))
    assert (await ipc.update("albums", album_id, {"tracks": 5}))["tracks"] == 5


async def test_an_operation_that_is_switched_off_is_not_there(serve: Serve) -> None:
    ipc = await serve(ops=["read"])
    assert await refused(ipc.create("albums", {"title": "x"}), ErrorCode.METHOD_NOT_ALLOWED) == {"ops": ["read"]}


def test_what_cannot_work_is_refused_at_once() -> None:
    class WithMethod(AlbumSerializer):
        shown = serializers.SerializerMethodField()

        class Meta(AlbumSerializer.Meta):
            fields = [*AlbumSerializer.Meta.fields, "shown"]

        def get_shown(self, album: Album) -> str:
            return album.title

    for wrong in ({"filters": ["artist"]}, {"ordering": ["title__lower"]}, {"ops": ["shout"]}):
        with pytest.raises(TypeError):
            IPCWorker("gallery").resource("albums")(ModelResource(Album.objects.all(), AlbumSerializer, **wrong))  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match="no column"):
        ModelResource(Album.objects.all(), WithMethod, filters=["shown"])
    with pytest.raises(IPCError, match="nobody"):
        ModelResource(Album.objects.all(), AlbumSerializer, on_behalf=["nobody"])


class Gate:
    """Holds up a thread until a test opens it."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), threading.Event()
        self._loop = asyncio.get_running_loop()

    def wait(self) -> None:
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self.opened.wait(GUARD_S)


class Slow(ModelResource[Album]):
    """Waits at a gate, with the album written and not committed."""

    def __init__(self) -> None:
        super().__init__(Album.objects.all(), AlbumSerializer)
        self.gate = Gate()
        self._loop = asyncio.get_running_loop()
        self.over = asyncio.Event()
        self.ctx: CallContext | None = None

    async def create(self, data: Any, ctx: CallContext) -> Any:
        self.ctx = ctx
        return await super().create(data, ctx)

    async def is_late(self) -> bool:
        return self.ctx is not None and self.ctx.seconds_left == 0

    def perform_create(self, request: Request, serializer: Any) -> Album:
        album: Album = serializer.save()
        self.gate.wait()
        assert transaction.get_connection().in_atomic_block
        self._loop.call_soon_threadsafe(self.over.set)
        return album


async def test_a_write_whose_caller_has_gone_is_undone(serve: Serve) -> None:
    slow = Slow()
    ipc = await serve(slow)
    async with asyncio.timeout(GUARD_S):
        call = asyncio.create_task(ipc.create("albums", {"title": "Summer"}))
        await slow.gate.reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        # The owner has been told when the hub has answered what was asked after that.
        await refused(ipc.read("albums", key=0), ErrorCode.NOT_FOUND)
        slow.gate.opened.set()
        await slow.over.wait()
    await until_threads_are_idle(slow)
    assert await albums() == []


async def test_a_write_that_took_too_long_is_undone_and_says_so(serve: Serve) -> None:
    slow = Slow()
    ipc = await serve(slow)
    async with asyncio.timeout(GUARD_S):
        await refused(ipc.create("albums", {"title": "Summer"}, timeout_s=0.3), ErrorCode.TIMEOUT)
        # The owner's clock began when the call came to it, so it may still think that somebody waits.
        await eventually(slow.is_late)
        slow.gate.opened.set()
    await until_threads_are_idle(slow)
    assert await albums() == []


class Failing(ModelResource[Album]):
    """Fails after it has written."""

    def __init__(self, error: Exception) -> None:
        super().__init__(Album.objects.all(), AlbumSerializer)
        self.error = error

    def perform_create(self, request: Request, serializer: Any) -> Album:
        serializer.save()
        raise self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperationalError("database is locked"), ErrorCode.UNAVAILABLE),
        (Throttled(wait=3), ErrorCode.TOO_SLOW),
        (PermissionError("a bug"), ErrorCode.INTERNAL),
    ],
)
async def test_what_fails_leaves_nothing_behind(serve: Serve, bus: TestBus, error: Exception, code: ErrorCode) -> None:
    ipc = await serve(Failing(error))
    await refused(ipc.create("albums", {"title": "Summer"}), code)
    assert await albums() == []
    assert [failure.error for failure in bus.failures] == ([error] if code is ErrorCode.INTERNAL else [])


async def until_threads_are_idle(resource: ModelResource[Any]) -> None:
    """Wait until the threads have ended what they were at work on."""
    await asyncio.get_running_loop().run_in_executor(None, resource._threads._pool.shutdown)


async def test_the_guide_works_as_it_is_printed(bus: TestBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks in order: the owner, the calls, a program, the context that it needs, and one more operation."""
    modules: dict[str, dict[str, Any]] = {
        "yourapp": {},
        "yourapp.models": {"Album": Album},
        "yourapp.serializers": {"AlbumSerializer": AlbumSerializer},
    }
    for name, values in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(values)
        monkeypatch.setitem(sys.modules, name, module)
    blocks = [fence.text for fence in fences(ROOT / "docs/howto/serve-a-model.md") if fence.language == "python"]
    serving, calling, asking, context, publishing = blocks
    names: dict[str, Any] = {"ipc": IPCWorker("herald")}
    exec(serving, names)  # noqa: S102 - it is our own guide
    await bus.start(names["worker"], names["ipc"])
    await run(calling, names)
    assert names["page"]["results"][0]["title"] == "Summer"
    assert names["album"]["title"] == "Winter"
    assert await albums() == []
    await bus.stop(names["worker"])
    exec(context, names)  # noqa: S102 - as above
    owner = IPCWorker("gallery")
    owner.resource("albums")(names["Albums"](Album.objects.all(), AlbumSerializer, filters=["title"]))
    await bus.start(owner)
    await make("Summer exprsn-herald", "Summer")
    await run(asking, names)
    assert [album["title"] for album in names["page"]["results"]] == ["Summer exprsn-herald"]
    await bus.stop(owner)
    exec(publishing, names)  # noqa: S102 - as above
    owner = IPCWorker("gallery")
    owner.resource("albums")(names["Albums"])
    await bus.start(owner)
    shown = await names["ipc"].call("albums", "publish", key=names["page"]["results"][0]["id"])
    assert shown["is_public"] is True


async def run(block: str, names: dict[str, Any]) -> None:
    code = compile(block, "guide", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)  # noqa: S307 - it is our own guide
    if inspect.isawaitable(result):
        await result
