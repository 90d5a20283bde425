"""The event explorer: what is in the logs, newest first, with filters; the feed adds what comes."""

import time
from typing import Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from bridge.console.event_rows import row_of
from bridge.console.fields import LOGS, ConditionField, PatternField, services
from bridge.console.page import ConsolePage
from ipc.django_app.runtime import running_redis
from ipc.protocol.positions import check_position, position_key
from ipc.stores.event_filter import EventFilter
from ipc.stores.event_search import LOGS as ALL_LOGS
from ipc.stores.log_pages import LogPages, before

COUNT: Final = 50
HELD: Final = 300
"""How many rows the page holds; older ones are dropped at its end."""


class FilterForm(forms.Form):
    """Which events are wanted."""

    log = forms.ChoiceField(required=False, choices=LOGS)
    pattern = PatternField(required=False, max_length=128)
    source = forms.ChoiceField(required=False, choices=services(("", "any")))
    where = ConditionField(required=False)

    def __init__(self, data: Any) -> None:
        super().__init__(data, label_suffix="")
        self.fields["pattern"].widget.attrs["placeholder"] = "post:*"
        self.fields["where"].widget.attrs |= {"placeholder": '{"$gt": [{"$var": "data.n"}, 5]}', "class": "broad"}
        self.fields["where"].label = "Where (JSONLex)"

    @property
    def logs(self) -> tuple[str, ...]:
        """Which logs are looked at; only of a form that is valid."""
        log = self.cleaned_data["log"]
        return (log,) if log else ALL_LOGS

    @property
    def wanted(self) -> EventFilter:
        """What is asked; only of a form that is valid."""
        said = self.cleaned_data
        return EventFilter.of(pattern=said["pattern"] or "", source=said["source"], where=said["where"])


class ExplorerPage(ConsolePage):
    """The tail of the logs; a page looks at a bounded number of events, and leads to the older ones."""

    template = "console/explorer.html"
    title = "Event explorer"
    permission = "bridge.view_event"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return the form and the events that it asks for."""
        form = FilterForm(request.GET)
        can_emit = request.user.has_perm("bridge.emit_event")
        context: dict[str, Any] = {"form": form, "held": HELD, "can_emit": can_emit}
        if not form.is_valid():
            return context
        asked, began_ms = request.GET.get("before", ""), time.time_ns() // 1_000_000
        parts = before(form.logs, check_position(asked) if asked else "")
        page = async_to_sync(LogPages(running_redis()).page)(parts, form.wanted, count=COUNT)
        rows = [row_of(found) for found in page.events]
        newest = max((row["position"] for row in rows), default=f"{began_ms}-0", key=position_key)
        return {
            **context,
            "rows": rows,
            "older": page.upto,
            "looked": page.looked,
            "undecided": page.undecided,
            "before": asked,
            "feed": "" if asked else f"{reverse('admin:console_explorer_feed')}?{_feed_query(request.GET, newest)}",
        }


def _feed_query(given: QueryDict, newest: str) -> str:
    query = QueryDict(mutable=True)
    for name in FilterForm.base_fields:
        if given.get(name):
            query[name] = given.get(name, "")
    query["after"] = newest
    return query.urlencode()
