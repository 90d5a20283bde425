"""The site of the admin: everything that is registered is in its theme, and its pages load nothing from elsewhere."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from unfold.admin import ModelAdmin as ThemedAdmin

from bridge.console.site import ConsoleSite
from ipc.django_app.runtime import Runtime
from tests.bridge.console.conftest import LogIn

PAGES = ("/admin/", "/admin/console/map", "/admin/console/services", "/admin/timeline/post/", "/admin/auth/user/add/")
ELSEWHERE = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//""")
INLINE = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\s(?:src|type=\"application/json\"))")


def test_all_that_is_registered_is_in_the_theme() -> None:
    assert admin.site._registry
    assert all(isinstance(each, ThemedAdmin) for each in admin.site._registry.values())


def test_what_is_registered_without_an_admin_of_its_own_is_too() -> None:
    site = ConsoleSite("another")
    site.register(Group)
    assert isinstance(site._registry[Group], ThemedAdmin)


@pytest.mark.parametrize("path", [*PAGES, "/admin/login/"])
async def test_a_page_has_no_script_or_style_in_it_and_none_from_elsewhere(
    log_in: LogIn, runtime: Runtime, path: str
) -> None:
    client = await log_in("root", is_superuser=True)
    if path == "/admin/login/":
        await client.alogout()
    answer = await client.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert ELSEWHERE.findall(page) == []
    assert INLINE.findall(page) == []


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_can_be_left_by_the_keyboard(log_in: LogIn, runtime: Runtime, path: str) -> None:
    page = (await (await log_in("root", is_superuser=True)).get(path)).content.decode()
    assert page.index('href="#content"') < page.index('id="nav-sidebar"')
    assert 'id="content"' in page
    assert 'id="shortcuts"' in page
