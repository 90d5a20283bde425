"""The embedded Valkey: a real server, on its own, again and again."""

import os
import select
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from exprsn.embedded import HOST, EmbeddedValkey, ValkeyError, ValkeyHome


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=5)


def test_it_answers_only_with_its_password(own_valkey: EmbeddedValkey) -> None:
    with client(own_valkey.url) as known, redis.Redis(host=HOST, port=own_valkey.port) as stranger:
        assert known.ping()
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_its_data_survives_a_kill_and_a_stop(own_valkey: EmbeddedValkey) -> None:
    """Whatever was answered is in the append-only file, and the address stays the same."""
    url = own_valkey.url
    with client(url) as before:
        before.set("a", "1")
    own_valkey.kill()
    own_valkey.start()
    with client(url) as between:
        assert between.get("a") == b"1"
        between.set("b", "2")
    own_valkey.stop()
    own_valkey.start()
    with client(own_valkey.url) as after:
        assert (after.get("a"), after.get("b"), own_valkey.url) == (b"1", b"2", url)


def test_it_never_evicts_and_always_appends(valkey: EmbeddedValkey) -> None:
    with client(valkey.url) as connection:
        configuration = connection.config_get("maxmemory-policy", "appendonly", "appendfsync", "bind")
    assert configuration == {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "bind": HOST,
    }


def test_a_paused_server_answers_after_it_is_resumed(own_valkey: EmbeddedValkey) -> None:
    own_valkey.pause()
    with redis.Redis.from_url(own_valkey.url, socket_timeout=0.05) as hasty, pytest.raises(redis.TimeoutError):
        hasty.ping()
    own_valkey.resume()
    with client(own_valkey.url) as patient:
        assert patient.ping()


def test_the_configuration_with_the_password_is_for_its_owner_only(tmp_path: Path) -> None:
    home = ValkeyHome(tmp_path / "valkey")
    home.prepare()
    try:
        assert stat.S_IMODE((tmp_path / "valkey" / "valkey.conf").stat().st_mode) == 0o600
    finally:
        home.release()


def test_a_directory_with_a_quote_and_a_space_in_its_name_works(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / 'a "valkey"\\home') as server, client(server.url) as connection:
        assert connection.ping()


def test_a_second_server_on_the_same_directory_is_one_clear_sentence(
    own_valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    with pytest.raises(ValkeyError, match=rf"valkey is in use by process {os.getpid()}: stop that one first$"):
        EmbeddedValkey(tmp_path / "valkey").start()


def test_a_directory_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValkeyError, match=r"valkey cannot be written: Not a directory$"):
        EmbeddedValkey(tmp_path / "file" / "valkey").start()


def test_a_taken_port_is_one_clear_sentence_and_leaves_the_directory_free(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValkeyError, match=f"port {port} for Valkey is taken: choose another with VALKEY_PORT"):
            EmbeddedValkey(tmp_path, port=port).start()
    with EmbeddedValkey(tmp_path, port=port) as server:
        assert server.port == port


def test_a_server_that_cannot_read_its_data_says_why(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("a file where a directory should be")
    with pytest.raises(ValkeyError, match=r"Valkey did not start.*appendonlydir.*valkey\.log"):
        EmbeddedValkey(tmp_path).start()


def test_a_server_that_does_not_run_has_no_pid(tmp_path: Path) -> None:
    with pytest.raises(ValkeyError, match="not running"):
        _ = EmbeddedValkey(tmp_path).pid


def test_kill_9_of_its_starter_ends_it(tmp_path: Path) -> None:
    """The kernel's leash: the lock, which the server inherits, is free only once the server is gone too."""
    program = (
        "import pathlib, sys, exprsn.embedded as e; v = e.EmbeddedValkey(pathlib.Path(sys.argv[1])); v.start();"
        "print(v.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        watch = os.pidfd_open(pid)
        starter.send_signal(signal.SIGKILL)
    wait_for_exit(watch)
    with EmbeddedValkey(tmp_path) as successor:
        assert successor.pid != pid


def wait_for_exit(pidfd: int) -> None:
    try:
        assert select.select([pidfd], [], [], 10)[0], "the process is still running"
    finally:
        os.close(pidfd)
