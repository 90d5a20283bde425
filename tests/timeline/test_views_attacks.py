"""CA tokens at Timeline's API: each allows what it says, and nobody is let near what is somebody else's."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from certs.pair import PrivateKey
from tests.people import bearer, make_ca, token_of
from timeline.models import Post

pytestmark = pytest.mark.django_db
Person = Callable[..., Client]


@pytest.fixture
def ca(settings: Settings, tmp_path: Path) -> PrivateKey:
    settings.CERTS_DIR = tmp_path
    return make_ca(tmp_path)


@pytest.fixture
def person(ca: PrivateKey) -> Person:
    """Return a client that shows a token; it is held to CSRF rules, which are none for tokens."""

    def make(sub: str = "ann", **said: Any) -> Client:
        return Client(enforce_csrf_checks=True, headers=bearer(token_of(sub, ca, **said)))

    return make


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, {"content": "x"} if body is None else body, content_type="application/json")


def test_a_person_writes_reads_changes_and_deletes_what_is_theirs(person: Person) -> None:
    ann = person()
    answer = send(ann, "post", "/api/posts")
    assert (answer.status_code, answer.json()["userId"]) == (201, "ann")
    path = f"/api/posts/{answer.json()['id']}"
    assert ann.get("/api/posts").json()["results"] == [ann.get(path).json()]
    assert send(ann, "put", path, {"content": "y"}).status_code == 200
    assert send(ann, "patch", path, {"content": "z"}).json()["content"] == "z"
    assert ann.get(f"{path}/completions").status_code == 200
    assert ann.delete(path).status_code == 204


@pytest.mark.parametrize("roles", [[], ["admin"], ["staff", "admin", "developer"]])
def test_nobody_elses_post_is_theirs_whatever_role_they_have(
    person: Person, make_post: Callable[..., Post], roles: list[str]
) -> None:
    public, hidden = make_post(user_id="bob"), make_post(user_id="bob", visibility="private")
    ann = person(roles=roles)
    for post, status in ((public, 403), (hidden, 404)):
        path = f"/api/posts/{post.id}"
        assert ann.delete(path).status_code == status
        assert send(ann, "put", path).status_code == status
        assert send(ann, "patch", path).status_code == status
    assert ann.get(f"/api/posts/{hidden.id}").status_code == 404
    assert ann.get(f"/api/posts/{hidden.id}/completions").status_code == 404
    assert {post["id"] for post in ann.get("/api/posts").json()["results"]} == {str(public.id)}
    assert set(Post.objects.values_list("content", "deleted_at")) == {("hello", None)}


def test_a_name_that_differs_in_a_letter_is_somebody_else(person: Person, make_post: Callable[..., Post]) -> None:
    path = f"/api/posts/{make_post(user_id='ann').id}"
    for sub in ("Ann", "ann.", "ann1", "an"):
        assert person(sub).delete(path).status_code == 403


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("read", {"get"}),
        ("append", {"post"}),
        ("write", {"post", "put", "patch"}),
        ("update", {"put", "patch"}),
        ("delete", {"delete"}),
    ],
)
def test_a_token_allows_the_methods_of_its_permissions(
    person: Person, make_post: Callable[..., Post], permission: str, allowed: set[str]
) -> None:
    ann, path = person(permissions=[permission]), f"/api/posts/{make_post(user_id='ann').id}"
    for method in ("get", "put", "patch", "delete", "post"):
        answer = send(ann, method, "/api/posts" if method == "post" else path)
        assert (answer.status_code != 403) == (method in allowed), method
        if method not in allowed:
            assert (answer.json()["error"], answer.json()["message"][: len(method)]) == ("FORBIDDEN", method.upper())


def test_a_token_is_for_its_resource(person: Person, make_post: Callable[..., Post]) -> None:
    mine, other = make_post(user_id="ann"), make_post(user_id="ann")
    paths = ["/api/posts", f"/api/posts/{mine.id}", f"/api/posts/{mine.id}/completions", f"/api/posts/{other.id}"]
    for resource, statuses in (
        ("*", [200, 200, 200, 200]),
        ("posts", [200, 200, 200, 200]),
        ("posts/*", [403, 200, 200, 200]),
        (f"posts/{mine.id}", [403, 200, 200, 403]),
        (f"posts/{mine.id}/completions", [403, 403, 200, 403]),
        ("post", [403, 403, 403, 403]),
        ("posts.x", [403, 403, 403, 403]),
        ("users", [403, 403, 403, 403]),
    ):
        ann = person(resource=resource)
        assert [ann.get(path).status_code for path in paths] == statuses, resource
        assert [ann.get(f"{path}/").status_code for path in paths] == statuses, resource


def test_a_token_that_does_not_cover_a_post_does_not_say_whether_there_is_one(
    person: Person, make_post: Callable[..., Post]
) -> None:
    ann = person(resource=f"posts/{uuid.uuid4()}")
    hidden, nothing = make_post(user_id="bob", visibility="private").id, uuid.uuid4()
    answers = {post_id: ann.get(f"/api/posts/{post_id}") for post_id in (hidden, nothing)}
    assert [answer.status_code for answer in answers.values()] == [403, 403]
    said = {answer.json()["message"].replace(str(post_id), "") for post_id, answer in answers.items()}
    assert len(said) == 1


def test_a_token_in_a_cookie_is_not_looked_at(ca: PrivateKey, anonymous: Client) -> None:
    anonymous.cookies["Authorization"] = f"Bearer {token_of('ann', ca)}"
    assert anonymous.get("/api/posts").status_code == 401


def test_a_token_in_the_address_is_refused_whatever_comes_beside_it(ca: PrivateKey, api: Client) -> None:
    token = token_of("ann", ca)
    assert api.get("/api/posts").status_code == 200
    for name in ("token", "access_token", "Authorization", "q"):
        for answer in (api.get("/api/posts", {name: token}), send(api, "post", f"/api/posts?{name}={token}")):
            assert answer.status_code == 401
            assert "does not belong into an address" in answer.json()["message"]
            assert token not in answer.content.decode()


def test_a_page_shows_only_the_forms_that_the_token_allows(person: Person) -> None:
    forms = {}
    for permission in ("read", "append"):
        page = person(permissions=["read", permission]).get("/api/posts", headers={"Accept": "text/html"})
        assert page.status_code == 200
        forms[permission] = b'method="POST"' in page.content
    assert forms == {"read": False, "append": True}
    assert person(resource="users").get("/api/posts", headers={"Accept": "text/html"}).status_code == 403


def test_sessions_and_the_development_user_may_do_what_they_could(api: Client, stranger: Client) -> None:
    for client in (api, stranger):
        path = f"/api/posts/{send(client, 'post', '/api/posts').json()['id']}"
        assert send(client, "put", path, {"content": "y"}).status_code == 200
        assert client.delete(path).status_code == 204
