"""Broker tokens: those that hold, making one, looking at one, and what revoking would hit."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from bridge.console.fields import MomentField, services
from bridge.console.form_page import FormPage
from bridge.console.page import ConsolePage
from bridge.console.people import names_of
from bridge.console.permission_field import PermissionsField
from bridge.console.permitted import operator_of
from bridge.console.revocation import Hit, hits
from bridge.console.times import moment
from ipc.django_app.conf import conf
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol.errors import BadMessageError, TokenError
from ipc.protocol.ids import ulid_ms
from ipc.protocol.services import short_name
from ipc.protocol.tokens import MAX_LIFETIME_S, Claims, check_claims
from ipc.stores.token_pages import TokenPage
from ipc.stores.token_records import TokenRecord

COUNT: Final = 50


class TokensPage(ConsolePage):
    """The tokens that hold, by service and then those that end first; on a page those with sessions come first."""

    template = "console/tokens.html"
    title = "Tokens"
    permission = "bridge.view_token"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return a page of them, of a service or of all."""
        service, after = request.GET.get("service", ""), request.GET.get("after", "")
        page, in_use = async_to_sync(_found)(running_hub(), service, after)
        rows = _rows(page.tokens, in_use)
        return {
            "services": services(("", "any")),
            "service": service,
            "rows": rows,
            "used": [row for row in rows if row["sessions"]],
            "idle": [row for row in rows if not row["sessions"]],
            "older": page.next,
            "after": after,
            "may_mint": request.user.has_perm("bridge.mint_token"),
            "may_revoke": request.user.has_perm("bridge.revoke_token"),
        }


class MintForm(forms.Form):
    """What a new token is to say."""

    service = forms.ChoiceField(
        choices=services(("", "choose a service")),
        error_messages={"required": "Choose the service that is to have it."},
        help_text="Whoever has the token speaks as this service.",
    )
    permissions = PermissionsField()
    lifetime_s = forms.IntegerField(
        min_value=1,
        max_value=MAX_LIFETIME_S,
        required=False,
        label="Seconds that it holds",
        help_text="A stateful one holds for as long as it is used, at most 31 days.",
    )
    stateful = forms.BooleanField(required=False, help_text="It has a state, and is kept by use.")
    exempt = forms.BooleanField(
        required=False,
        label="Exempt from the rate limit",
        help_text="It has the larger budget that is there for safety.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["lifetime_s"].widget.attrs["placeholder"] = str(conf.token_ttl_s)


class MintPage(FormPage):
    """The form, and once, in the answer to it, the token; it is kept and logged nowhere."""

    template = "console/token_mint.html"
    title = "Mint a token"
    permission = "bridge.mint_token"
    form_class = MintForm

    def outcome(self, request: HttpRequest, said: dict[str, Any], **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Make it."""
        minted = async_to_sync(running_hub().proofs.manager.mint)(
            said["service"],
            permissions=said["permissions"],
            by=operator_of(request),
            ttl_s=said["lifetime_s"],
            stateful=said["stateful"],
            rate_limit_exempt=said["exempt"],
        )
        return {"token": minted.token, "claims": minted.claims, "ends": moment(int(minted.claims.exp * 1000))}


class InspectForm(forms.Form):
    """A token, as text."""

    token = forms.CharField(widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off", "spellcheck": "false"}))


@method_decorator(sensitive_post_parameters("token"), name="dispatch")
class InspectPage(FormPage):
    """What a token says, and whether it proves that; looking at it is no use of it."""

    template = "console/token_inspect.html"
    title = "Inspect a token"
    permission = "bridge.revoke_token"
    form_class = InspectForm

    def outcome(self, request: HttpRequest, said: dict[str, Any], **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Read it; the form is answered without it."""
        claims, problem = async_to_sync(_inspected)(running_hub(), said["token"].strip())
        return {
            "form": InspectForm(label_suffix=""),
            "claims": claims,
            "problem_of_token": problem.message if problem is not None else "",
            "says": [(name, _shown(name, value)) for name, value in msgspec.to_builtins(claims).items() if value],
        }


class RevokeForm(forms.Form):
    """Which token, or those of which service that were made before when."""

    id = forms.CharField(required=False, max_length=26)
    service = forms.ChoiceField(required=False, choices=services(("", "")))
    before = MomentField(required=False, max_length=64, help_text="Nothing is up to now.")


class RevokePage(ConsolePage):
    """What revoking would hit, before it is done."""

    template = "console/token_revoke.html"
    title = "Revoke"
    permission = "bridge.revoke_token"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return the sessions that would be closed."""
        form = RevokeForm(request.GET, label_suffix="")
        if not form.is_valid() or not (form.cleaned_data["id"] or form.cleaned_data["service"]):
            return {"form": form}
        said = form.cleaned_data
        # What is made from here on is not shown, so it is not hit either, however long somebody thinks about it.
        before_ms = said["before"] if said["before"] is not None else time.time_ns() // 1_000_000
        found: list[Hit] = async_to_sync(hits)(running_hub(), said["id"], said["service"], before_ms / 1000)
        if said["id"] and ulid_ms(said["id"]) is None:
            raise BadMessageError(f"{said['id']!r} is no id of a token: it has 26 letters and digits")
        return {
            "form": form,
            "token_id": said["id"],
            "service": said["service"],
            "before": moment(before_ms),
            "before_ms": before_ms,
            "hits": found,
            "calls": sum(hit.calls for hit in found),
            "deliveries": sum(hit.deliveries or 0 for hit in found),
            "act": reverse("admin:console_token_revoke_do"),
        }


async def _found(hub: Hub, service: str, after: str) -> tuple[TokenPage, Counter[str]]:
    page = await hub.proofs.manager.find(service or None, after=after, count=COUNT)
    sessions = await hub.registry.list({record.claims.source for record in page.tokens})
    return page, Counter(registration.token for registration in sessions)


async def _inspected(hub: Hub, token: str) -> tuple[Claims, TokenError | None]:
    claims = conf.token_keys().verify(token)
    try:
        check_claims(claims, now_s=time.time(), takes_development=conf.in_development)
    except TokenError as error:
        return claims, error
    (problem,) = await hub.proofs.manager.problems([claims])
    return claims, problem


def _rows(records: Sequence[TokenRecord], in_use: Counter[str]) -> list[dict[str, Any]]:
    names = names_of(record.by for record in records)
    rows = [_row(record, names.get(record.by, ""), in_use) for record in records]
    return sorted(rows, key=lambda row: -row["sessions"])


def _row(record: TokenRecord, by_name: str, in_use: Counter[str]) -> dict[str, Any]:
    claims = record.claims
    return {
        "claims": claims,
        "service": short_name(claims.source),
        "by": record.by,
        "by_name": by_name,
        "made": moment(int(claims.iat * 1000)),
        "ends": moment(int(claims.exp * 1000)),
        "has_ended": claims.exp <= time.time(),
        "sessions": in_use[claims.id],
    }


def _shown(name: str, value: Any) -> str:
    if name in {"iat", "exp"}:
        return f"{moment(int(value * 1000))} UTC"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
