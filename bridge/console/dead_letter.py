"""One dead letter: why it failed and what it holds, to be tried, edited and delivered again."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from bridge.console.event_rows import json_text
from bridge.console.fields import ExpressionField, JSONField
from bridge.console.form_page import FormPage
from bridge.console.permitted import operator_of
from bridge.console.times import moment
from ipc.django_app.conf import conf
from ipc.django_app.dead_letter_acts import redrive_one
from ipc.django_app.runtime import running_redis
from ipc.hub.evaluation import EVALUATION_LIMITS
from ipc.jsonlex import JSONLexError, compile_select
from ipc.protocol.services import short_name
from ipc.stores.dead_letter import Buried
from ipc.stores.dead_letter_filter import LetterId
from ipc.stores.dead_letters import DeadLetters

REDRIVE = "bridge.redrive_deadletter"


class LetterForm(forms.Form):
    """The data that the group is to get, and an expression to try on them."""

    payload = JSONField(label="Data (JSON)", required=True)
    expression = ExpressionField(required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["payload"].widget.attrs |= {"rows": 14, "spellcheck": "false"}
        hint = '{"$concat": ["to ", {"$var": "data.email"}]}'
        self.fields["expression"].widget.attrs |= {"placeholder": hint, "spellcheck": "false"}


class LetterPage(FormPage):
    """The letter; whoever may redrive tries, edits and redrives it here."""

    template = "console/dead_letter.html"
    title = "Dead letter"
    permission = "bridge.view_event"
    form_class = LetterForm

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return the letter, and the form with its data."""
        context = super().context_of(request, **where)
        context["form"].initial = {"payload": context["pretty"]}
        return context

    def beside(self, request: HttpRequest, **where: Any) -> dict[str, Any]:
        """Return what is known of the letter."""
        buried = async_to_sync(DeadLetters(running_redis()).get)(_id_of(where))
        letter, content = buried.letter, buried.content
        return {
            "title": f"Dead letter of {short_name(buried.id.service)}/{buried.id.group}",
            "id": str(buried.id),
            "letter": letter,
            "service": short_name(buried.id.service),
            "group": buried.id.group,
            "content": content,
            "pretty": msgspec.json.format(bytes(content.data), indent=2).decode(),
            "meta": json_text(content.meta) if content.meta is not None else "",
            "emitted": moment(content.ts),
            "first": moment(letter.first_ms),
            "last": moment(letter.last_ms),
            "may_redrive": request.user.has_perm(REDRIVE),
            "may_discard": request.user.has_perm("bridge.discard_deadletter"),
        }

    def post(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Try, or redrive."""
        if not request.user.has_perm(REDRIVE):
            raise PermissionDenied
        return super().post(request, **where)

    def outcome(self, request: HttpRequest, said: dict[str, Any], **where: Any) -> dict[str, Any]:
        """Return what an expression gives on the data, or what became of the letter."""
        redis, letter_id = running_redis(), _id_of(where)
        if "redrive" in request.POST:
            by = operator_of(request)
            is_edited = async_to_sync(redrive_one)(redis, letter_id, said["payload"], by=by, limits=conf.limits())
            return {"redriven": True, "is_edited": is_edited}
        buried = async_to_sync(DeadLetters(redis).get)(letter_id)
        return _tried(buried, said)


def _id_of(where: dict[str, Any]) -> LetterId:
    return LetterId.of(f"{where['service']}/{where['group']}/{where['position']}")


def _tried(buried: Buried, said: dict[str, Any]) -> dict[str, Any]:
    """Return the result of an expression on a letter whose data are those of the form."""
    facts = {**buried.facts, "data": msgspec.json.decode(said["payload"])}
    try:
        result = compile_select(said["expression"], EVALUATION_LIMITS).shape(facts)
    except JSONLexError as error:
        return {"try_error": error.message, "is_tried": True}
    return {"try_result": json_text(result), "is_tried": True}
