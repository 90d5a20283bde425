"""The site of the admin: everything that is registered is in its theme, and its pages load nothing from elsewhere."""

import re

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient
from unfold.admin import ModelAdmin as ThemedAdmin

from bridge.console.site import ConsoleSite
from ipc.django_app.runtime import Runtime
from tests.bridge.console.conftest import LogIn

PAGES = ("/admin/", "/admin/console/map", "/admin/console/services", "/admin/timeline/post/", "/admin/auth/user/add/")
PASSWORD = "correct horse battery staple"
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


@pytest.fixture
async def ada(database_of_views: None) -> User:
    """Somebody who logs in by a password."""
    return await sync_to_async(User.objects.create_superuser)("ada", password=PASSWORD)


async def status_with(key: str) -> int:
    """Return what somebody is answered who has the key of a session and nothing else."""
    client = AsyncClient()
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return (await client.get("/admin/")).status_code


async def logged_in(client: AsyncClient) -> str:
    """Log in as somebody does, and return the key of the session."""
    answer = await client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 302
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


async def test_a_session_is_for_this_host_over_tls_and_begins_anew_with_each_login(ada: User, runtime: Runtime) -> None:
    """Nobody is logged in by a key that somebody else has given them, and none is good after it was left."""
    given, client = SessionStore(), AsyncClient()
    await given.acreate()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(given.session_key)
    key = await logged_in(client)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie.key == "__Host-sessionid"
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
    assert (cookie["samesite"], cookie["max-age"]) == ("Lax", 43_200)
    assert (await status_with(str(given.session_key)), await status_with(key)) == (302, 200)
    await client.post("/admin/logout/")
    assert await status_with(key) == 302


async def test_a_new_password_ends_the_sessions_of_the_old_one(ada: User, runtime: Runtime) -> None:
    key = await logged_in(AsyncClient())
    assert await status_with(key) == 200
    await sync_to_async(ada.set_password)(f"not {PASSWORD}")
    await ada.asave()
    assert await status_with(key) == 302


@pytest.mark.parametrize(
    "next_", ["https://evil.example/", "//evil.example/", "/\\\\evil.example", "javascript:alert(1)"]
)
async def test_a_login_leads_nowhere_else(ada: User, runtime: Runtime, next_: str) -> None:
    form = {"username": "ada", "password": PASSWORD, "next": next_}
    answer = await AsyncClient().post("/admin/login/", form)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_can_be_left_by_the_keyboard(log_in: LogIn, runtime: Runtime, path: str) -> None:
    page = (await (await log_in("root", is_superuser=True)).get(path)).content.decode()
    assert page.index('href="#content"') < page.index('id="nav-sidebar"')
    assert 'id="content"' in page
    assert 'id="shortcuts"' in page
