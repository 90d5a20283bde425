"""A page with a form whose answer is the page itself: nothing that was written goes into an address or a session."""

from http import HTTPStatus
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from bridge.console.page import ConsolePage
from ipc.protocol.errors import IPCError


class FormPage(ConsolePage):
    """Shows an empty form, and when it is posted, the form with its outcome; browsers keep neither."""

    http_method_names = ["get", "head", "post"]
    form_class: ClassVar[type[forms.Form]]

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return the empty form."""
        return {"form": self.form_class(label_suffix=""), **self.beside(request, **where)}

    def beside(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - for those who need them
        """Return what the template needs besides the form and its outcome.

        Raises:
            IPCError: which the page says.

        """
        return {}

    def outcome(self, request: HttpRequest, said: dict[str, Any], **where: Any) -> dict[str, Any]:
        """Do what a valid form asks, and return what the template shows of it.

        Raises:
            IPCError: which the page says.

        """
        raise NotImplementedError

    def get(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Show the page."""
        return _kept_by_nobody(super().get(request, **where))

    def post(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Do what the form asks, and show what came of it."""
        form = self.form_class(request.POST, label_suffix="")
        context = {**admin.site.each_context(request), "title": self.title, "form": form}
        status: int = HTTPStatus.OK if form.is_valid() else HTTPStatus.BAD_REQUEST
        try:
            context |= self.beside(request, **where)
            if form.is_valid():
                context |= self.outcome(request, form.cleaned_data, **where)
        except IPCError as error:
            status, context["problem"] = error.code.http_status, error.message
        request.current_app = admin.site.name
        return _kept_by_nobody(TemplateResponse(request, self.template, context, status=status))


def _kept_by_nobody(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    return answer
