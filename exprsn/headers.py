"""Headers that Django and its packages set nowhere, or not per address."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Any, Final, cast

from csp.constants import UNSAFE_EVAL
from django.http import HttpRequest, HttpResponseBase

from ipc.django_app.stacks import EitherStackMiddleware

# https://www.w3.org/TR/permissions-policy/: an empty list allows a feature to nobody, pages of ours included.
FEATURES: Final = ("accelerometer", "camera", "display-capture", "geolocation", "microphone", "midi", "payment", "usb")
POLICY: Final = ", ".join(f"{feature}=()" for feature in FEATURES)
ADMIN: Final = "/admin/"


class AnswerMiddleware(EitherStackMiddleware, ABC):
    """Does something to every answer."""

    def __call__(self, request: HttpRequest) -> Any:
        """Return the answer with what belongs on it, or in an asynchronous stack what Django awaits for it."""
        answer = self.get_response(request)
        if isinstance(answer, HttpResponseBase):
            return self.mark(request, answer)
        return self._answer_later(request, cast(Awaitable[HttpResponseBase], answer))

    async def _answer_later(self, request: HttpRequest, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return self.mark(request, await answer)

    @staticmethod
    @abstractmethod
    def mark(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
        """Return the answer with what belongs on it."""


class PermissionsPolicyMiddleware(AnswerMiddleware):
    """Puts ``Permissions-Policy`` on every answer: what the browser may let a page of ours use, which is nothing."""

    @staticmethod
    def mark(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:  # noqa: ARG004 - of all alike
        """Return the answer with the header."""
        answer["Permissions-Policy"] = POLICY
        return answer


class AdminScriptsMiddleware(AnswerMiddleware):
    """Lets the scripts of the admin's theme make functions of what its templates say, under ``/admin/`` only.

    django-unfold is written for Alpine.js, which compiles expressions from attributes of its templates. Nothing that
    anybody has written stands in such an attribute, and scripts still come only from this very server.
    """

    @staticmethod
    def mark(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
        """Return the answer with what django-csp shall add to the header of this one."""
        if request.path_info.startswith(ADMIN):
            answer._csp_update = {"script-src": [UNSAFE_EVAL]}  # type: ignore[attr-defined]
        return answer
