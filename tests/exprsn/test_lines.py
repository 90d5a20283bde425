"""JSON ends like a line, and nothing else is touched."""

from http import HTTPStatus

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client

from exprsn.lines import JSONLineMiddleware

NDJSON = "application/x-ndjson"


def marked(answer: HttpResponseBase) -> HttpResponseBase:
    return JSONLineMiddleware.mark(HttpRequest(), answer)


def test_json_ends_like_a_line() -> None:
    answer = marked(JsonResponse({"success": True}))
    assert isinstance(answer, HttpResponse)
    assert answer.content == b'{"success": true}\n'


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse("<p>", content_type="text/html"),
        HttpResponse('{"a":1}', content_type=NDJSON),
        HttpResponse(b"", content_type="application/json", status=HTTPStatus.NO_CONTENT),
        HttpResponse(b"{}", content_type="application/json", headers={"Content-Length": "2"}),
    ],
    ids=["a page", "lines already", "nothing", "a length that was told"],
)
def test_what_is_no_whole_json_stays_as_it_is(answer: HttpResponse) -> None:
    before = answer.content
    assert marked(answer) is answer
    assert answer.content == before


def test_a_stream_is_not_read() -> None:
    answer = StreamingHttpResponse(iter([b"{}"]), content_type="application/json")
    assert b"".join(marked(answer)) == b"{}"


@pytest.mark.parametrize("path", ["/api/ipc/stats", "/api/ipc/nothing"])
async def test_the_answers_of_all_kinds_of_views_do(path: str) -> None:
    """Also that there is none; each with its length."""
    answer = await AsyncClient().get(path, secure=True)
    assert answer.content.endswith(b"}\n")
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_the_answers_of_views_of_drf_do() -> None:
    answer = Client().get("/api/ipc/services", secure=True)
    assert answer.content.endswith(b"}\n")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
