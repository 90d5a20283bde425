"""The outbox in the admin: what waits, what is parked and why; to look at only."""

# ruff: noqa: ARG002 - the signatures are those that Django calls

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ipc.django_app.models import OutboxEvent

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[OutboxEvent]
else:
    ModelAdmin = admin.ModelAdmin


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

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: events come from transactions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxEvent | None = None) -> bool:
        """Refuse: an event says what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxEvent | None = None) -> bool:
        """Refuse: the relay deletes what it has sent."""
        return False
