"""The outbox in the admin: what waits, what is parked and why; what is parked can be sent again."""

# ruff: noqa: ARG002 - the signatures are those that Django calls

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from ipc.django_app.audit_trail import operator_name, write_now
from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import wake_relay_on_commit

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[OutboxEvent]
else:
    ModelAdmin = admin.ModelAdmin


REDRIVE: Final = "ipc.change_outboxevent"
"""Who may have parked rows sent again; nobody changes what they say."""
MAX_NAMED: Final = 100
"""How many events the audit trail names."""


class StateFilter(admin.SimpleListFilter):
    """Rows that wait, that are being sent, that failed at least once, or that were refused."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("waiting", "waiting"), ("claimed", "being sent"), ("failing", "failing"), ("parked", "parked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxEvent]) -> QuerySet[OutboxEvent]:
        """Return the rows of the chosen state."""
        match self.value():
            case "waiting":
                return queryset.filter(parked_at=None, claimed_by="")
            case "claimed":
                return queryset.filter(parked_at=None).exclude(claimed_by="")
            case "failing":
                return queryset.filter(parked_at=None, attempts__gt=0)
            case "parked":
                return queryset.exclude(parked_at=None)
            case _:
                return queryset


@admin.register(OutboxEvent)
class OutboxEventAdmin(ModelAdmin):
    """A list to look at; rows come from transactions and leave by the relay."""

    list_display = ["id", "event", "key", "created_at", "attempts", "claimed_by", "parked_at", "error"]
    list_filter = [StateFilter, "event", "created_at"]
    search_fields = ["event_id", "key", "event"]
    ordering = ["id"]
    actions = ["send_again"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: events come from transactions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxEvent | None = None) -> bool:
        """Refuse: an event says what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxEvent | None = None) -> bool:
        """Refuse: the relay deletes what it has sent."""
        return False

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may have parked rows sent again."""
        return request.user.has_perm(REDRIVE)

    @admin.action(description="Send again, of those that are parked", permissions=["redrive"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxEvent]) -> None:
        """Let the relay send parked rows as if they had never been tried, and write down who wanted it."""
        with transaction.atomic():
            rows = queryset.exclude(parked_at=None).select_for_update()
            events = dict(rows.values_list("pk", "event_id"))
            self.model.objects.filter(pk__in=events).update(parked_at=None, next_attempt_at=None, attempts=0, error="")
            wake_relay_on_commit()
        if events:
            named = list(events.values())
            details = {"count": len(named), "events": named[:MAX_NAMED]}
            write_now("outbox.redrive", by=operator_name(str(request.user.pk)), subject="outbox", details=details)
        self.message_user(request, f"{len(events)} will be sent again; those that were not parked are left")
