"""The settings of production in real servers: what browsers are told, and what strangers are not."""

import json
import re
import socket
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests import servers
from tests.servers import ROOT, ServerProcess

pytestmark = pytest.mark.processes

MEGABYTE = 1024 * 1024
KEY = "a key of a production 0123456789 abcdefghijklmnopqrstuvwxyz"
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "tests.exprsn.failing",
    "EXPRSN_ENV": "production",
    "DEV_BYPASS": "false",
    "IPC_BYPASS_AUTH": "false",
    "SECRET_KEY": KEY,
    "IPC_BROKER_KEY": KEY,
}
# Of code, of the machine, of the settings and of the software: none of it is anybody's business.
INNER = re.compile(
    r"Traceback|File \"|RuntimeError|flux capacitor|inner secret|SECRET|_KEY|DJANGO_|settings|Django/|Python/"
    rf"|uvicorn|daphne|Twisted|{re.escape(KEY)}|{re.escape(str(ROOT))}|\.py\b"
)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def production(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A bridge as in production that no Redis is known to; its sessions are in a database without tables."""
    root: Path = tmp_path_factory.mktemp(f"production-{request.param}")
    (root / "var").mkdir()
    (root / "var/db.sqlite3").touch()
    with servers.bridge(request.param, "", servers.certificates(root / "certs"), root / "var", **PRODUCTION) as server:
        yield server


def inner(answer: Any) -> list[str]:
    """Return what an answer gives away, with its headers."""
    return INNER.findall(answer.text + "\n".join(f"{name}: {value}" for name, value in answer.headers.items()))


def test_a_bridge_that_knows_no_redis_says_so_once(production: ServerProcess) -> None:
    """Healthy it is not, and strangers are told no more; the log says why."""
    assert production.health() is not None
    assert production.output().count("REDIS_URL is not set: there is no mesh, so sockets and the API answer 503") == 1


@pytest.mark.parametrize(("path", "says"), [("/fails", "<h1>Server Error (500)</h1>"), ("/api/fails", "INTERNAL")])
def test_what_goes_wrong_inside_stays_inside(production: ServerProcess, path: str, says: str) -> None:
    """The log has it, with the code; the answer has not."""
    answer = production.get(path)
    assert (answer.status_code, inner(answer)) == (500, [])
    assert says in answer.text
    assert "the flux capacitor knows" in production.output()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/admin/", {"Host": "evil.example"}, 400),
        ("/api/ipc/stats", {"Host": "evil.example"}, 400),
        ("/api/ipc/stats", {"Host": "localhost:3010@evil.example"}, 400),
        ("/nowhere", {}, 404),
        ("/api/nowhere", {}, 404),
        ("/static/../exprsn/settings.py", {}, 404),
        ("/static/..%2f..%2fexprsn/settings.py", {}, 404),
        ("/admin/%2e%2e/%2e%2e/etc/passwd", {}, 302),
        ("/api/ipc/dead-letters", {"Accept": "text/html"}, 406),
        ("/api/ipc/dead-letters", {}, 401),
        ("/api/ipc/dead-letters", {"Cookie": f"__Host-sessionid={'x' * 32}"}, 503),
        ("/api/ipc/dead-letters?format=api", {}, 404),
        ("/api/ipc/groups", {"X-IPC-Request": "true"}, 401),
        ("/admin/login/?next=//evil.example", {}, 200),
    ],
)
def test_no_answer_says_more_than_its_status(
    production: ServerProcess, path: str, headers: dict[str, str], status: int
) -> None:
    answer = production.get(path, headers=headers)
    assert (answer.status_code, inner(answer)) == (status, []), answer.text


def test_every_answer_tells_browsers_to_be_careful(production: ServerProcess) -> None:
    for path in ("/health", "/admin/login/", "/nowhere", "/fails"):
        headers = production.get(path).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
        assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
        assert headers["Referrer-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "server" not in headers


def test_pages_run_no_script_that_is_not_a_file_of_ours(production: ServerProcess) -> None:
    """Nor do they load anything from elsewhere, lead their forms there, or stand in a foreign frame."""
    header = production.get("/admin/login/").headers["Content-Security-Policy"]
    policy = dict(part.strip().split(" ", 1) for part in header.split(";"))
    assert policy.pop("img-src") == "'self' data:"
    nothing = {policy.pop(name) for name in ("default-src", "base-uri", "frame-ancestors")}
    assert nothing == {"'none'"}
    # The theme of the admin compiles expressions of its templates.
    assert policy.pop("script-src") == "'self' 'unsafe-eval'"
    assert "unsafe" not in production.get("/health").headers["Content-Security-Policy"]
    assert policy == dict.fromkeys(("style-src", "font-src", "connect-src", "form-action"), "'self'")


def test_a_cookie_is_for_this_host_over_tls_and_not_for_scripts(production: ServerProcess) -> None:
    cookies = SimpleCookie(production.get("/admin/login/").headers["Set-Cookie"])
    (cookie,) = cookies.values()
    assert cookie.key == "__Host-csrftoken"
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
    assert cookie["samesite"] == "Strict"


def test_a_socket_does_not_name_its_server_either(production: ServerProcess) -> None:
    with connect(f"{production.ws_url}/ipc/herald", ssl=production.trust, proxy=None) as socket:
        assert socket.response is not None
        assert "Server" not in socket.response.headers


def test_a_body_that_no_view_takes_is_refused(production: ServerProcess) -> None:
    """Larger than a frame by the view, larger than two by the hard stop, before it is on the disk of the bridge."""
    headers = {"Content-Type": "application/json"}
    for size in (MEGABYTE + 1, 2 * MEGABYTE + 1, 20 * MEGABYTE):
        answer = production.request("POST", "/api/ipc/tokens", content=b" " * size, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (413, "FRAME_TOO_LARGE")
    assert production.health() is not None


def test_a_body_that_says_it_is_too_large_is_not_waited_for(production: ServerProcess) -> None:
    """Nor is what turns out so read to its end: a stranger could fill the disk with it."""
    head = "POST /api/ipc/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    endless = "Transfer-Encoding: chunked\r\n\r\n" + f"{3 * MEGABYTE:x}\r\n" + "x" * 3 * MEGABYTE
    for rest in (f"Content-Length: {10**12}\r\n\r\n", endless):
        with (
            socket.create_connection(("localhost", production.port), timeout=20) as plain,
            production.trust.wrap_socket(plain, server_hostname="localhost") as wire,
        ):
            wire.sendall((head + rest).encode())
            answer = wire.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413 "), answer
        assert b"connection: close" in answer.lower()


def test_a_request_that_no_honest_client_makes_costs_one_line(production: ServerProcess) -> None:
    before = len(production.output().splitlines())
    assert production.get("/health", headers={"Host": "nobody.example"}).status_code == 400
    lines = [line for line in production.output().splitlines()[before:] if "nobody.example" in line]
    assert len(lines) == 1
    assert (json.loads(lines[0])["level"], "Traceback" in lines[0]) == ("warning", False)


def test_nobody_uploads_files_or_endless_forms(production: ServerProcess) -> None:
    form = {f"f{number}": "x" for number in range(1_001)}
    headers = {"Cookie": f"__Host-csrftoken={'a' * 32}", "Referer": f"{production.url}/admin/login/"}
    for options in ({"files": {"file": ("x.txt", b"x")}}, {"data": form}, {"data": {"x": "x" * MEGABYTE}}):
        answer = production.request("POST", "/admin/login/", headers=headers, **options)
        assert (answer.status_code, inner(answer)) == (400, [])
