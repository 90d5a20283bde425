"""What every middleware of ours has in common: it works in synchronous and in asynchronous stacks."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest


class EitherStackMiddleware:
    """Is asynchronous where what it stands before is, as Django asks (Django documentation, "Asynchronous support")."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the answer to a request, or in an asynchronous stack what Django awaits for it."""
        raise NotImplementedError
