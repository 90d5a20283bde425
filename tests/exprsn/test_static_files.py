"""The files of the admin: served outside development too, and nothing else is."""

from pathlib import Path

import httpx
import pytest
from pytest_django import Settings

from exprsn.static_files import with_static_files

ORIGIN = "https://localhost"


async def application(scope: dict[str, object], _receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})  # type: ignore[operator]  # plain ASGI
    await send({"type": "http.response.body", "body": str(scope["path"]).encode()})  # type: ignore[operator]  # as above


@pytest.fixture
def root(tmp_path: Path, settings: Settings) -> Path:
    settings.DEBUG = False
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_URL = "/static/"
    (tmp_path / "secret.txt").write_text("not to be served")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "site.css").write_text("p { color: red }")
    return tmp_path / "static"


async def got(path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=with_static_files(application))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        return await client.get(path)


@pytest.mark.usefixtures("root")
async def test_a_collected_file_is_served_for_a_while_and_as_what_it_is() -> None:
    answer = await got("/static/site.css")
    assert (answer.status_code, answer.text) == (200, "p { color: red }")
    assert answer.headers["content-type"] == 'text/css; charset="utf-8"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "max-age=3600" in answer.headers["cache-control"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "path", ["/static/../secret.txt", "/static/%2e%2e/secret.txt", "/static/none.css", "/site.css"]
)
async def test_nothing_else_is(path: str) -> None:
    assert (await got(path)).status_code == 404


async def test_what_was_not_collected_is_no_failure(tmp_path: Path, settings: Settings) -> None:
    settings.DEBUG = False
    settings.STATIC_ROOT = tmp_path / "none"
    assert (await got("/static/site.css")).status_code == 404
