"""The header that Django sets nowhere: what the browser may let a page of ours use, which is nothing."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

# https://www.w3.org/TR/permissions-policy/: an empty list allows a feature to nobody, pages of ours included.
FEATURES: Final = ("accelerometer", "camera", "display-capture", "geolocation", "microphone", "midi", "payment", "usb")
POLICY: Final = ", ".join(f"{feature}=()" for feature in FEATURES)


class PermissionsPolicyMiddleware:
    """Puts ``Permissions-Policy`` on every answer, in synchronous and asynchronous stacks."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the answer with the header, or in an asynchronous stack what Django awaits for it."""
        answer = self._get_response(request)
        if isinstance(answer, HttpResponseBase):
            return _with_policy(answer)
        return self._answer_later(cast(Awaitable[HttpResponseBase], answer))

    @staticmethod
    async def _answer_later(answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return _with_policy(await answer)


def _with_policy(answer: HttpResponseBase) -> HttpResponseBase:
    answer["Permissions-Policy"] = POLICY
    return answer
