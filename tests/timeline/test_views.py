"""Posts over HTTP, as a client sees them."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.dateparse import parse_datetime
from pytest_django import Settings

from ipc.django_app.models import OutboxEvent
from timeline.models import Completion, Post

pytestmark = pytest.mark.django_db
FIELDS = {
    "id", "userId", "content", "contentType", "media", "visibility", "likeCount", "commentCount", "repostCount",
    "metadata", "createdAt", "updatedAt",
}  # fmt: skip


def send(client: Client, method: str, path: str, body: Any) -> Any:
    return getattr(client, method)(path, body, content_type="application/json")


def create(client: Client, **fields: Any) -> dict[str, Any]:
    answer = send(client, "post", "/api/posts", {"content": "hello", **fields})
    assert answer.status_code == 201, answer.content
    post: dict[str, Any] = answer.json()
    return post


def events() -> list[str]:
    return list(OutboxEvent.objects.order_by("id").values_list("event", flat=True))


def test_a_post_is_saved_and_answered_with_all_its_fields(api: Client) -> None:
    body = {
        "content": "hello 🌍",
        "contentType": "text/markdown",
        "media": [{"url": "https://cdn.example/a.png", "type": "image", "alt": "a", "width": 4, "height": 3.0}],
        "visibility": "followers",
        "metadata": {"lang": "en", "deep": [1, {"x": None}]},
    }
    answer = send(api, "post", "/api/posts", body)
    post = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"http://testserver/api/posts/{post['id']}"
    assert post.keys() == FIELDS
    assert {name: post[name] for name in body} == body
    assert post["userId"] == "dev-user"
    assert (post["likeCount"], post["commentCount"], post["repostCount"]) == (0, 0, 0)
    assert post["createdAt"] == post["updatedAt"]
    assert parse_datetime(post["createdAt"]) is not None
    assert api.get(f"/api/posts/{post['id']}").json() == post


def test_what_is_left_out_has_its_default(api: Client) -> None:
    post = create(api)
    assert (post["contentType"], post["media"], post["visibility"], post["metadata"]) == (
        "text/plain", [], "public", {}
    )  # fmt: skip


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_address_works_with_and_without_a_trailing_slash(api: Client, slash: str) -> None:
    post_id = send(api, "post", f"/api/posts{slash}", {"content": "x"}).json()["id"]
    assert api.get(f"/api/posts{slash}").status_code == 200
    assert api.get(f"/api/posts/{post_id}{slash}").status_code == 200
    assert api.get(f"/api/posts/{post_id}/completions{slash}").status_code == 200
    assert api.delete(f"/api/posts/{post_id}{slash}").status_code == 204


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", ""),
        ("content", " \n\t"),
        ("content", "\u200b"),
        ("content", "a\x00b"),
        ("content", "\ud800"),
        ("content", "x" * 281),
        ("content", 5),
        ("content", None),
        ("content", ["x"]),
        ("contentType", "no type!"),
        ("contentType", "text/plain\n"),
        ("contentType", 1),
        ("visibility", "secret"),
        ("visibility", None),
        ("visibility", []),
        ("media", {}),
        ("media", None),
        ("media", [{"url": "https://a.example/x", "type": "image"}] * 5),
        ("media", ["https://a.example/x"]),
        ("media", [{"type": "image"}]),
        ("media", [{"url": "javascript:alert(1)", "type": "image"}]),
        ("media", [{"url": "ftp://a.example/x", "type": "image"}]),
        ("media", [{"url": "https://a.example/x", "type": "program"}]),
        ("media", [{"url": "https://a.example/x", "type": "image", "width": "4"}]),
        ("media", [{"url": "https://a.example/x", "type": "image", "width": 4.5}]),
        ("media", [{"url": "https://a.example/x", "type": "image", "width": 10**400}]),
        ("media", [{"url": "https://a.example/x", "type": "image", "width": True}]),
        ("media", [{"url": "https://a.example/x", "type": "image", "onclick": "x"}]),
        ("metadata", []),
        ("metadata", "x"),
        ("metadata", None),
        ("metadata", {"x": "a\x00b"}),
        ("metadata", {"a\x00": 1}),
        ("metadata", {"x": "\ud800"}),
        ("metadata", {"x": "y" * 20_000}),
        ("likes", 5),
    ],
)
def test_a_wrong_value_is_refused_with_its_field_and_nothing_is_saved(api: Client, field: str, value: Any) -> None:
    answer = send(api, "post", "/api/posts", {"content": "fine", field: value})
    assert answer.status_code == 400
    body = answer.json()
    assert body["success"] is False
    assert body["error"] == "INVALID_MESSAGE"
    assert body["details"].keys() == {field}
    assert field in body["message"]
    assert not Post.objects.exists()
    assert not OutboxEvent.objects.exists()


def test_a_number_that_overflows_in_metadata_is_refused(api: Client) -> None:
    """1e999 is valid JSON, reads as infinity, and no database keeps that."""
    answer = send(api, "post", "/api/posts", '{"content": "x", "metadata": {"n": 1e999}}')
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"metadata"})


def test_metadata_that_is_nested_too_deep_is_refused(api: Client) -> None:
    deep = "[" * 100 + "]" * 100
    answer = send(api, "post", "/api/posts", f'{{"content": "x", "metadata": {{"d": {deep}}}}}')
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {"metadata"})


def test_all_wrong_fields_are_named_at_once(api: Client) -> None:
    answer = send(api, "post", "/api/posts", {"content": "", "visibility": "x", "likes": 1})
    assert answer.json()["details"].keys() == {"content", "visibility", "likes"}


def test_fields_that_are_only_read_are_ignored(api: Client) -> None:
    """A client may send back what it has read; nobody gets likes or another name by asking for them."""
    post = create(api, likeCount=7, userId="boss", createdAt="2001-01-01T00:00:00Z")
    assert (post["likeCount"], post["userId"]) == (0, "dev-user")
    assert not post["createdAt"].startswith("2001")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "INVALID_JSON"),
        ("", "INVALID_MESSAGE"),
        ('{"content": NaN}', "INVALID_JSON"),
        (b'{"content": "\xff"}', "INVALID_JSON"),
        ("[" * 100_000 + "]" * 100_000, "INVALID_JSON"),
        ("[]", "INVALID_MESSAGE"),
        ('"x"', "INVALID_MESSAGE"),
        ("null", "INVALID_MESSAGE"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(api: Client, body: str | bytes, code: str) -> None:
    answer = send(api, "post", "/api/posts", body)
    assert (answer.status_code, answer.json()["error"]) == (400, code)


def test_a_body_that_is_too_large_is_refused_unread(api: Client, settings: Settings) -> None:
    settings.IPC_MAX_FRAME = 1000
    answer = send(api, "post", "/api/posts", json.dumps({"content": "x" * 1000}))
    assert (answer.status_code, answer.json()["error"]) == (413, "FRAME_TOO_LARGE")


def test_another_content_type_is_refused(api: Client) -> None:
    answer = api.post("/api/posts", {"content": "x"})
    assert (answer.status_code, answer.json()["error"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_another_method_is_refused_with_the_allowed_ones(api: Client) -> None:
    answer = send(api, "patch", "/api/posts", {})
    assert (answer.status_code, answer.json()["error"]) == (405, "METHOD_NOT_ALLOWED")
    assert "POST" in answer["Allow"]


def test_the_length_limit_is_a_setting_and_counts_characters(api: Client, settings: Settings) -> None:
    settings.MAX_POST_LENGTH = 3
    assert create(api, content="🌍🌍🌍")["content"] == "🌍🌍🌍"
    assert send(api, "post", "/api/posts", {"content": "abcd"}).status_code == 400


def test_content_is_kept_as_written(api: Client) -> None:
    assert create(api, content="  two\n lines ")["content"] == "  two\n lines "


def test_the_list_is_newest_first_and_pages_do_not_repeat_or_miss(api: Client) -> None:
    ids = [create(api, content=str(number))["id"] for number in range(7)]
    Post.objects.update(created_at=Post.objects.earliest("created_at").created_at)
    seen: list[str] = []
    address = "/api/posts?limit=3"
    while address:
        page = api.get(address).json()
        assert page.keys() == {"next", "previous", "results"}
        seen += [post["id"] for post in page["results"]]
        address = page["next"]
    assert seen == sorted(ids, reverse=True)


def test_new_posts_do_not_shift_a_page(api: Client, make_post: Callable[..., Post]) -> None:
    old = [make_post() for _ in range(4)]
    for age, post in enumerate(old):
        Post.objects.filter(id=post.id).update(created_at=post.created_at - timedelta(hours=age + 1))
    first = api.get("/api/posts?limit=2").json()
    create(api, content="new")
    second = api.get(first["next"]).json()
    assert [post["id"] for post in first["results"] + second["results"]] == [str(post.id) for post in old]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=cD1nYXJiYWdl", "limit=0", "limit=101", "limit=x", "limit=-1"])
def test_a_wrong_cursor_or_limit_is_refused(api: Client, query: str) -> None:
    """``cD1nYXJiYWdl`` is a well-formed cursor whose position is no time."""
    answer = api.get(f"/api/posts?{query}")
    assert (answer.status_code, answer.json()["details"].keys()) == (400, {query.partition("=")[0]})


def test_the_list_can_be_of_one_user(api: Client, make_post: Callable[..., Post]) -> None:
    post = make_post(user_id="ann")
    make_post(user_id="bob")
    assert [found["id"] for found in api.get("/api/posts?userId=ann").json()["results"]] == [str(post.id)]
    assert api.get("/api/posts?userId=%00").status_code == 400


def test_put_needs_content_and_keeps_what_it_leaves_out(api: Client) -> None:
    post = create(api, visibility="private", metadata={"a": 1})
    path = f"/api/posts/{post['id']}"
    assert send(api, "put", path, {"visibility": "public"}).json()["details"].keys() == {"content"}
    changed = send(api, "put", path, {"content": "other"}).json()
    assert (changed["content"], changed["visibility"], changed["metadata"]) == ("other", "private", {"a": 1})
    assert changed["updatedAt"] > post["updatedAt"]
    assert changed["createdAt"] == post["createdAt"]
    assert events() == ["post:created", "post:updated"]


def test_patch_changes_what_it_names(api: Client) -> None:
    post = create(api)
    changed = send(api, "patch", f"/api/posts/{post['id']}", {"visibility": "followers"}).json()
    assert changed == {**post, "visibility": "followers", "updatedAt": changed["updatedAt"]}
    assert api.get(f"/api/posts/{post['id']}").json() == changed


@pytest.mark.parametrize("body", [{}, {"content": "hello"}, {"likeCount": 9}])
def test_a_patch_that_changes_nothing_writes_nothing(api: Client, body: Any) -> None:
    post = create(api)
    answer = send(api, "patch", f"/api/posts/{post['id']}", body)
    assert (answer.status_code, answer.json()) == (200, post)
    assert events() == ["post:created"]


def test_a_deleted_post_is_hidden_but_kept(api: Client) -> None:
    path = f"/api/posts/{create(api)['id']}"
    answer = api.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for again in (api.get(path), api.delete(path), send(api, "patch", path, {"content": "x"})):
        assert (again.status_code, again.json()["error"]) == (404, "NOT_FOUND")
    assert api.get("/api/posts").json()["results"] == []
    assert Post.objects.get().deleted_at is not None
    assert events() == ["post:created", "post:deleted"]


def test_somebody_elses_post_cannot_be_changed(api: Client, make_post: Callable[..., Post]) -> None:
    path = f"/api/posts/{make_post(user_id='ann').id}"
    for answer in (
        api.delete(path),
        send(api, "patch", path, {"content": "x"}),
        send(api, "put", path, {"content": "x"}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (403, "FORBIDDEN")
    assert Post.objects.get().content == "hello"


@pytest.mark.parametrize("visibility", ["private", "followers"])
def test_a_post_that_is_not_public_does_not_exist_for_others(
    api: Client, stranger: Client, make_post: Callable[..., Post], visibility: str
) -> None:
    path = f"/api/posts/{make_post(visibility=visibility).id}"
    assert api.get(path).status_code == 200
    assert len(api.get("/api/posts").json()["results"]) == 1
    assert stranger.get("/api/posts").json()["results"] == []
    assert stranger.get(path).status_code == 404
    assert stranger.get(f"{path}/completions").status_code == 404
    # Not 403 or 400: those would betray that it is there.
    assert stranger.delete(path).status_code == 404
    assert send(stranger, "patch", path, {"content": ""}).status_code == 404


def test_nobody_is_let_in_without_an_identity(anonymous: Client) -> None:
    for answer in (anonymous.get("/api/posts"), send(anonymous, "post", "/api/posts", {"content": "x"})):
        assert (answer.status_code, answer.json()["error"]) == (401, "UNAUTHENTICATED")
        assert answer.json()["message"].startswith("say who asks: show a CA token as Authorization: Bearer, or log in")
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_session_writes_as_its_users_primary_key_and_needs_the_csrf_token(settings: Settings) -> None:
    user = User.objects.create_user("ann")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    refused = send(client, "post", "/api/posts", {"content": "x"})
    assert (refused.status_code, refused.json()["error"]) == (403, "FORBIDDEN")
    client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
    answer = client.post(
        "/api/posts", {"content": "x"}, content_type="application/json", headers={"X-CSRFToken": "a" * 32}
    )
    assert (answer.status_code, answer.json()["userId"]) == (201, str(user.pk))


def test_the_api_can_be_browsed(api: Client) -> None:
    create(api, content="<script>alert(1)</script>")
    page = api.get("/api/posts", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert page["Content-Type"].startswith("text/html")
    assert b"<script>alert(1)" not in page.content


def test_completions_are_shown_in_the_order_heard_also_of_the_owners_deleted_post(
    api: Client, stranger: Client, make_post: Callable[..., Post]
) -> None:
    post = make_post()
    for number, event in enumerate(("notification:sent", "cache:updated")):
        Completion.objects.create(
            post=post, event_id=str(number), event=event, source="exprsn-herald", post_event="post:created",
            handled_ms=10 + number, received_ms=20 + number, position=f"{number}-1", data={"n": number},
        )  # fmt: skip
    expected = {
        "event": "notification:sent", "source": "exprsn-herald", "postEvent": "post:created", "handledAt": 10,
        "receivedAt": 20, "position": "0-1", "data": {"n": 0},
    }  # fmt: skip
    path = f"/api/posts/{post.id}"
    answer = api.get(f"{path}/completions").json()
    assert answer["postId"] == str(post.id)
    assert answer["completions"][0] == expected
    assert [completion["event"] for completion in answer["completions"]] == ["notification:sent", "cache:updated"]
    assert len(stranger.get(f"{path}/completions").json()["completions"]) == 2
    api.delete(path)
    assert len(api.get(f"{path}/completions").json()["completions"]) == 2
    assert stranger.get(f"{path}/completions").status_code == 404


def test_an_unknown_post_is_not_found(api: Client) -> None:
    for path in (f"/api/posts/{uuid.uuid4()}", f"/api/posts/{uuid.uuid4()}/completions"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")
