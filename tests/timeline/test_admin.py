"""The admin of Timeline and of the outbox."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import path
from pytest_django import Settings

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
