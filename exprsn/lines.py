"""Answers in JSON end like a line, so that the prompt of a terminal does not stick to what curl has shown."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from exprsn.headers import AnswerMiddleware

JSON: Final = "application/json"


class JSONLineMiddleware(AnswerMiddleware):
    """Puts a newline behind JSON, which may have white space there (RFC 8259, section 2).

    It is the innermost of all: what is outside of it tells the length.
    """

    @staticmethod
    def mark(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:  # noqa: ARG004 - of all alike
        """Return the answer with the newline, where it is whole and in JSON."""
        is_json = answer.headers.get("Content-Type", "").startswith(JSON) and not answer.has_header("Content-Length")
        if is_json and isinstance(answer, HttpResponse) and answer.content:
            answer.content += b"\n"
        return answer
