"""What all pages of the console have in common."""

import pytest
from django.contrib import admin
from django.http import HttpRequest
from django.test import RequestFactory

from bridge.console.page import ConsolePage, mesh_redis
from bridge.models import Audit
from ipc.protocol.errors import UnavailableError


def test_a_page_can_only_be_looked_at(rf: RequestFactory) -> None:
    page, request = ConsolePage(Audit, admin.site), HttpRequest()
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
    assert [url.name for url in page.get_urls()] == ["bridge_audit_changelist"]


def test_without_a_mesh_there_is_nothing_to_read_from() -> None:
    with pytest.raises(UnavailableError, match="REDIS_URL"):
        mesh_redis()
