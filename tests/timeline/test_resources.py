"""Posts as other services call them: the same rules as over HTTP, and what hostile callers get."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pytest_django import Settings

from ipc import ForbiddenError, IPCWorker, NotFoundError, ValidationFailedError
from ipc.django_app.models import OutboxEvent
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.testing import TestBus
from tests.database import in_thread
from timeline.models import Post
from timeline.resources import PostResource

pytestmark = pytest.mark.django_db(transaction=True)
HERALD = "service:exprsn-herald"


class Callers:
    """Two services in a mesh where Timeline's posts are served."""

    def __init__(self) -> None:
        self.herald, self.spark = IPCWorker("herald"), IPCWorker("spark")


@pytest.fixture
async def callers() -> AsyncIterator[Callers]:
    async with TestBus() as bus:
        timeline, callers = IPCWorker("timeline"), Callers()
        timeline.resource("posts")(PostResource)
        await bus.start(timeline, callers.herald, callers.spark)
        yield callers
        assert bus.failures == []


@pytest.fixture
def herald(callers: Callers) -> IPCWorker:
    return callers.herald


async def events() -> list[tuple[str, str]]:
    return await in_thread(lambda: list(OutboxEvent.objects.order_by("id").values_list("event", "key")))


async def refused(call: Any, code: ErrorCode) -> dict[str, Any]:
    """Return the details of the error that a call ends with."""
    with pytest.raises(IPCError) as error:
        await call
    assert error.value.code is code, error.value
    return dict(error.value.details or {})


async def test_a_post_lives_through_calls_and_tells_of_it(herald: IPCWorker) -> None:
    """Created, read, changed, deleted; each change is in the outbox, as with HTTP."""
    post = await herald.create("posts", {"content": "Hello", "metadata": {"lang": "en"}})
    assert (post["userId"], post["content"], post["visibility"]) == (HERALD, "Hello", "public")
    assert await herald.read("posts", key=post["id"]) == post
    changed = await herald.update("posts", post["id"], {"content": "Updated"})
    assert (changed["content"], changed["metadata"]) == ("Updated", {"lang": "en"})
    assert await herald.delete("posts", post["id"]) is None
    await refused(herald.read("posts", key=post["id"]), ErrorCode.NOT_FOUND)
    assert await events() == [(f"post:{what}", post["id"]) for what in ("created", "updated", "deleted")]


async def test_posts_are_read_by_the_id_of_their_user(herald: IPCWorker, make_post: Callable[..., Post]) -> None:
    for number in range(3):
        await in_thread(make_post, user_id="123", content=f"post {number}")
    await in_thread(lambda: make_post(user_id="other"))
    page = await herald.read("posts", {"userId": "123"})
    assert [post["content"] for post in page["results"]] == ["post 2", "post 1", "post 0"]
    assert (page["next"], page["previous"]) == (None, None)


async def test_next_is_the_query_of_the_next_page(herald: IPCWorker, make_post: Callable[..., Post]) -> None:
    """It keeps what was asked for as it was, and leads through everything once."""
    await in_thread(lambda: [make_post(user_id="123", content=str(n)) for n in range(7)])
    query: Any = {"userId": "123", "limit": 3}
    seen, pages = [], []
    while query:
        page = await herald.read("posts", query)
        seen += [post["content"] for post in page["results"]]
        pages.append(len(page["results"]))
        query = page["next"]
        assert query is None or (query["limit"], query["userId"], set(query)) == (
            3,
            "123",
            {"cursor", "limit", "userId"},
        )
    assert (seen, pages) == ([str(n) for n in reversed(range(7))], [3, 3, 1])
    back = await herald.read("posts", page["previous"])
    assert len(back["results"]) == 3


async def test_a_service_sees_what_is_public_and_its_own(callers: Callers, make_post: Callable[..., Post]) -> None:
    private = await callers.herald.create("posts", {"content": "mine", "visibility": "private"})
    hidden = await in_thread(lambda: make_post(user_id="ada", visibility="private"))
    deleted = await in_thread(lambda: make_post(deleted_at="2026-01-01T00:00:00Z"))
    assert (await callers.herald.read("posts", key=private["id"]))["content"] == "mine"
    for service, post_id in ((callers.spark, private["id"]), (callers.herald, hidden.id), (callers.herald, deleted.id)):
        for call in (
            service.read("posts", key=str(post_id)),
            service.update("posts", str(post_id), {"content": "x"}),
            service.delete("posts", str(post_id)),
        ):
            await refused(call, ErrorCode.NOT_FOUND)
    assert [post["id"] for post in (await callers.spark.read("posts"))["results"]] == []


async def test_nobody_changes_the_post_of_somebody_else(callers: Callers, make_post: Callable[..., Post]) -> None:
    post = await in_thread(lambda: make_post(user_id="ada", content="hers"))
    theirs = await callers.spark.create("posts", {"content": "theirs"})
    for post_id in (str(post.id), theirs["id"]):
        await refused(callers.herald.update("posts", post_id, {"content": "x"}), ErrorCode.FORBIDDEN)
        await refused(callers.herald.delete("posts", post_id), ErrorCode.FORBIDDEN)
    assert await in_thread(lambda: Post.objects.filter(deleted_at=None).count()) == 2
    assert [event for event, _ in await events()] == ["post:created"]


async def test_a_user_in_meta_is_refused_unless_the_settings_trust_the_service(
    callers: Callers, settings: Settings, make_post: Callable[..., Post]
) -> None:
    post = await in_thread(lambda: make_post(user_id="ada", visibility="private"))
    ada = {"meta": {"user": "ada"}}
    await refused(callers.herald.read("posts", key=str(post.id), **ada), ErrorCode.FORBIDDEN)
    await refused(callers.herald.create("posts", {"content": "x"}, **ada), ErrorCode.FORBIDDEN)
    settings.IPC_ON_BEHALF = ["herald"]
    assert (await callers.herald.read("posts", key=str(post.id), **ada))["userId"] == "ada"
    assert (await callers.herald.update("posts", str(post.id), {"content": "for her"}, **ada))["content"] == "for her"
    assert (await callers.herald.create("posts", {"content": "x"}, **ada))["userId"] == "ada"
    await refused(callers.spark.read("posts", key=str(post.id), **ada), ErrorCode.FORBIDDEN)
    await refused(callers.herald.read("posts", key=str(post.id)), ErrorCode.NOT_FOUND)


@pytest.mark.parametrize("user", ["", "a" * 129, "a\x00b", 5, ["ada"], {"id": "ada"}, True, "service:exprsn-spark"])
async def test_what_is_no_user_is_not_acted_for(herald: IPCWorker, settings: Settings, user: Any) -> None:
    settings.IPC_ON_BEHALF = ["exprsn-herald"]
    await refused(herald.create("posts", {"content": "x"}, meta={"user": user}), ErrorCode.VALIDATION_FAILED)


@pytest.mark.parametrize("meta", [{}, {"user": None}, {"trace": "t"}])
async def test_other_meta_does_no_harm(herald: IPCWorker, meta: dict[str, Any]) -> None:
    assert (await herald.create("posts", {"content": "x"}, meta=meta))["userId"] == HERALD


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": "x" * 281}, "content"),
        ({"content": 5}, "content"),
        ({"content": "a\x00b"}, "content"),
        ({"content": "x", "visibility": "everyone"}, "visibility"),
        ({"content": "x", "media": [{"url": "javascript:alert(1)", "type": "image"}]}, "media"),
        ({"content": "x", "media": [{}] * 5}, "media"),
        ({"content": "x", "metadata": {"big": "x" * 20_000}}, "metadata"),
        ({"content": "x", "likes": 5}, "likes"),
        ({"content": "x", "deletedAt": None}, "deletedAt"),
        ({"content": "x", "user_id": "ada"}, "user_id"),
        ([], "body"),
        ("DROP TABLE timeline_post", "body"),
        (5, "body"),
    ],
)
async def test_what_http_refuses_is_refused_with_the_same_words(herald: IPCWorker, data: Any, field: str) -> None:
    details = await refused(herald.create("posts", data), ErrorCode.VALIDATION_FAILED)
    assert field in details
    assert not await in_thread(Post.objects.exists)


async def test_the_owner_of_a_post_cannot_be_chosen(herald: IPCWorker) -> None:
    """What is only read may come back, and is ignored."""
    post = await herald.create("posts", {"content": "x", "userId": "ada", "likeCount": 9_999})
    assert (post["userId"], post["likeCount"]) == (HERALD, 0)


async def test_thousands_of_unknown_fields_are_answered_shortly(herald: IPCWorker) -> None:
    """The owner is not thought to be broken: the next call is answered."""
    data = {"content": "x", **{f"field {n}": n for n in range(10_000)}}
    for _ in range(12):
        details = await refused(herald.create("posts", data), ErrorCode.VALIDATION_FAILED)
        assert len(details) == 50
    assert await herald.read("posts") == {"next": None, "previous": None, "results": []}


KEYS: list[Any] = [
    "x", "", " ", "' OR 1=1 --", "../../etc", "\x00", "é" * 300, "%", 0, 5, -1, 2**63, 2**200,
    "60f03e82-d0a1-47e1-92e5-00ba575bb03b", "{ed04970b-ec12-4d0a-852e-e6aaf03c2838}",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=repr)
async def test_a_key_that_is_none_is_not_found(herald: IPCWorker, key: Any) -> None:
    for call in (
        herald.read("posts", key=key),
        herald.update("posts", key, {"content": "x"}),
        herald.delete("posts", key),
    ):
        await refused(call, ErrorCode.NOT_FOUND)


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ({"id": "x"}, "id"),
        ({"userId__startswith": "a"}, "userId__startswith"),
        ({"user_id": "a"}, "user_id"),
        ({"deleted_at__isnull": False}, "deleted_at__isnull"),
        ({"completions__data": 1}, "completions__data"),
        ({"pk": 1}, "pk"),
        ({"ordering": "content"}, "ordering"),
        ({"userId": None}, "userId"),
        ({"userId": ["a", "b"]}, "userId"),
        ({"userId": {"$ne": "a"}}, "userId"),
        ({"userId": "a\x00b"}, "userId"),
        ({"userId": ""}, "userId"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": 10**400}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "1; DROP TABLE timeline_post"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "cD1ub25zZW5zZQ=="}, "cursor"),
        ({"cursor": 5}, "cursor"),
        ({"": 1}, ""),
        ([], "query"),
        ("userId=a", "query"),
        (5, "query"),
        (False, "query"),
    ],
    ids=repr,
)
async def test_a_query_asks_for_named_fields_and_pages_and_nothing_else(
    herald: IPCWorker, query: Any, member: str
) -> None:
    assert member in await refused(herald.read("posts", query), ErrorCode.VALIDATION_FAILED)


async def test_text_that_looks_like_sql_is_only_text(herald: IPCWorker, make_post: Callable[..., Post]) -> None:
    await in_thread(make_post)
    for user in ("' OR '1'='1", 'x" OR 1=1 --', "dev-user'; DROP TABLE timeline_post; --", "%", "dev_user"):
        assert (await herald.read("posts", {"userId": user}))["results"] == []
    assert len((await herald.read("posts", {"userId": "dev-user"}))["results"]) == 1


async def test_a_page_that_is_too_large_for_a_reply_says_so_and_a_smaller_one_comes(
    herald: IPCWorker, make_post: Callable[..., Post]
) -> None:
    """However often it is asked for, the owner is not thought to be broken."""
    await in_thread(lambda: [make_post(metadata={"big": "x" * 16_000}) for _ in range(30)])
    for _ in range(12):
        await refused(herald.read("posts", {"limit": 30}), ErrorCode.DATA_TOO_LARGE)
    assert len((await herald.read("posts", {"limit": 10}))["results"]) == 10


async def test_an_update_is_partial_unless_it_says_otherwise(herald: IPCWorker) -> None:
    post = await herald.create("posts", {"content": "x", "visibility": "private"})
    assert (await herald.update("posts", post["id"], {"visibility": "public"}))["content"] == "x"
    whole = {"query": {"partial": False}}
    assert "content" in await refused(
        herald.update("posts", post["id"], {"visibility": "private"}, **whole), ErrorCode.VALIDATION_FAILED
    )
    assert (await herald.update("posts", post["id"], {"content": "y"}, **whole))["content"] == "y"
    query: Any
    for query in ({"partial": 1}, {"partial": None}, {"full": True}, [], 5):
        await refused(herald.update("posts", post["id"], {}, query=query), ErrorCode.VALIDATION_FAILED)


async def test_an_update_that_changes_nothing_tells_nobody(herald: IPCWorker) -> None:
    post = await herald.create("posts", {"content": "x"})
    assert await herald.update("posts", post["id"], {"content": "x"}) == post
    assert len(await events()) == 1


async def test_there_are_four_operations(herald: IPCWorker) -> None:
    for op in ("publish", "work", "found", "get_queryset", "perform_delete", "__init__"):
        with pytest.raises(BadMessageError) as error:
            await herald.call("posts", op, key="x", data={})
        assert error.value.code in {ErrorCode.METHOD_NOT_ALLOWED, ErrorCode.INVALID_RESOURCE}


async def test_a_program_of_the_caller_makes_a_post(herald: IPCWorker) -> None:
    program = {"__jsonlex": True, "expr": {"content": {"$concat": ["Hello from ", {"$var": "call.source"}]}}}
    post = await herald.create("posts", program, use_jsonlex=True)
    assert post["content"] == "Hello from exprsn-herald"
    query = {"__jsonlex": True, "expr": {"userId": {"$concat": ["service:", {"$var": "call.source"}]}}}
    assert [each["id"] for each in (await herald.read("posts", query, use_jsonlex=True))["results"]] == [post["id"]]


async def test_a_program_without_an_end_costs_an_error(herald: IPCWorker) -> None:
    grow: Any = "x"
    for _ in range(12):
        grow = {"$map": {"array": [0] * 30, "expr": grow}}
    await refused(
        herald.create("posts", {"__jsonlex": True, "expr": {"content": grow}}, use_jsonlex=True),
        ErrorCode.JSONLEX_TOO_COSTLY,
    )


async def test_many_callers_at_once_are_all_answered(callers: Callers) -> None:
    posts = await asyncio.gather(*(callers.herald.create("posts", {"content": str(n)}) for n in range(20)))
    read = await asyncio.gather(*(callers.spark.read("posts", key=post["id"]) for post in posts for _ in range(2)))
    assert [post["content"] for post in read] == [str(n) for n in range(20) for _ in range(2)]
    assert len({key for _, key in await events()}) == 20


async def test_the_errors_are_those_that_a_caller_catches(herald: IPCWorker) -> None:
    with pytest.raises(NotFoundError, match="there is no post 'x'"):
        await herald.read("posts", key="x")
    with pytest.raises(ValidationFailedError, match="content"):
        await herald.create("posts", {})
    with pytest.raises(ForbiddenError, match=r"meta\.user"):
        await herald.create("posts", {"content": "x"}, meta={"user": "ada"})
