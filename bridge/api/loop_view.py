"""Views in the event loop of the server: who asks, whether they may, what it costs, and errors as JSON."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from bridge.api.access import admitted
from bridge.api.answers import refusal
from bridge.api.authentication import Asker, asker_of
from bridge.api.rate_limits import charge, show_budget
from bridge.api.refusals import count_refusal, note_refusal
from bridge.api.speakers import PARAMETER, speaker_of
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.hub.session import Identity
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError


async def answered(
    request: HttpRequest, work: Callable[[Hub, Asker], Awaitable[HttpResponse]], *, is_charged: bool = True
) -> HttpResponse:
    """Find out who asks, let in whoever may, do the work, and answer; what is wrong is answered with its code.

    Args:
        request: what is asked.
        work: does it.
        is_charged: whether it is one message of the service that asks; else the work counts by itself.

    """
    asker: Asker | None = None
    try:
        asker = await _let_in(request)
        hub = running_hub()
        if is_charged and asker.token is not None:
            await charge(request, hub, asker.token)
        response = await work(hub, asker)
    except IPCError as error:
        await note_refusal(request, asker, error)
        response = refusal(error)
    show_budget(request, response)
    return response


async def _let_in(request: HttpRequest) -> Asker:
    asker = await asker_of(request)
    try:
        return admitted(request, asker)
    except IPCError as error:
        await count_refusal(request, asker, error)
        raise


# A session needs its CSRF token all the same: `RequestIdentityAuthentication` asks for it.
@method_decorator(csrf_exempt, name="dispatch")
class LoopView(View):
    """A view in the event loop; Django cancels a request when its client goes away."""

    async def http_method_not_allowed(  # type: ignore[override]  # the dispatch of an asynchronous view is awaited
        self, request: HttpRequest, *_args: Any, **_kwargs: Any
    ) -> HttpResponse:
        """Answer 405 as everything else here, with what there is."""
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        error = IPCError(f"there is no {request.method} here, only {allowed}", code=ErrorCode.METHOD_NOT_ALLOWED)
        response = refusal(error)
        response["Allow"] = allowed
        return response


class ServiceView(LoopView):
    """A request in the name of a service; one message of it, unless the view counts what is in the request itself."""

    parameters = frozenset({PARAMETER})
    counts_itself = False

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Find out who speaks, do it, and answer."""

        async def work(hub: Hub, asker: Asker) -> HttpResponse:
            speaker = await speaker_of(asker, request, self.parameters)
            if not self.counts_itself:
                await charge(request, hub, speaker)
            return await self.carry_out(hub, speaker, request)

        return await answered(request, work, is_charged=False)

    async def carry_out(self, hub: Hub, speaker: Identity, request: HttpRequest) -> HttpResponse:
        """Do what the request asks.

        Raises:
            IPCError: which becomes the answer.

        """
        raise NotImplementedError
