"""The admin of Timeline and of the outbox."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import path
from django.utils import timezone
from pytest_django import Settings

from bridge.roles import make_roles
from ipc.django_app.models import OutboxEvent
from timeline import services

urlpatterns = [path("admin/", admin.site.urls)]


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["", "?state=waiting", "?state=claimed", "?state=failing", "?state=parked"])
def test_posts_and_the_outbox_can_be_looked_at_but_not_changed(
    settings: Settings, timeline_addresses: None, admin_client: Client, state: str
) -> None:
    settings.ROOT_URLCONF = __name__
    post = services.post_create(user_id="ann", content="x")
    row = OutboxEvent.objects.get()
    for page in ("timeline/post", "timeline/author", "timeline/completion", f"ipc/outboxevent/{state}"):
        assert admin_client.get(f"/admin/{page}" if "?" in page else f"/admin/{page.rstrip('/')}/").status_code == 200
    for change in (f"timeline/post/{post.id}", f"ipc/outboxevent/{row.id}"):
        assert admin_client.get(f"/admin/{change}/change/").status_code == 200
        assert admin_client.post(f"/admin/{change}/delete/", {"post": "yes"}).status_code == 403
        assert admin_client.post(f"/admin/{change}/change/", {}).status_code == 403


@pytest.fixture
def role_client(settings: Settings, timeline_addresses: None, db: None) -> Callable[[str], Client]:
    """Return a client of somebody in one of the groups that a migration makes."""
    settings.ROOT_URLCONF = __name__
    make_roles(apps)

    def member(role: str) -> Client:
        user, client = User.objects.create(username=role, is_staff=True), Client()
        user.groups.set([Group.objects.get(name=role)])
        client.force_login(user)
        return client

    return member


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_each_role_may_look(role_client: Callable[[str], Client], role: str) -> None:
    client = role_client(role)
    for page in ("timeline/post", "timeline/author", "timeline/completion", "ipc/outboxevent"):
        assert client.get(f"/admin/{page}/").status_code == 200, page


@pytest.mark.parametrize(("role", "is_done"), [("viewer", False), ("operator", True)])
def test_operators_have_parked_rows_sent_again_and_viewers_do_not(
    role_client: Callable[[str], Client], caplog: pytest.LogCaptureFixture, role: str, is_done: bool
) -> None:
    for content in ("parked", "waiting"):
        services.post_create(user_id="ann", content=content)
    parked, waiting = OutboxEvent.objects.order_by("id")
    OutboxEvent.objects.filter(pk=parked.pk).update(parked_at=timezone.now(), attempts=3, error="FORBIDDEN: no")
    OutboxEvent.objects.filter(pk=waiting.pk).update(attempts=1, error="UNAVAILABLE: away")
    chosen = {"action": "send_again", "_selected_action": [parked.pk, waiting.pk]}
    role_client(role).post("/admin/ipc/outboxevent/", chosen)
    parked.refresh_from_db()
    waiting.refresh_from_db()
    assert (parked.parked_at is None, parked.attempts, parked.error) == (
        (True, 0, "") if is_done else (False, 3, "FORBIDDEN: no")
    )
    assert (waiting.attempts, waiting.error) == (1, "UNAVAILABLE: away")
    # Without a mesh the log has what the audit trail would.
    assert ("not in the audit trail: outbox.redrive" in caplog.text) == is_done
