"""What is looked at and made before anything starts."""

import socket
import stat
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from exprsn.supervision import preparation
from exprsn.supervision.preparation import PreparationError


def test_a_taken_port_is_one_sentence_with_the_port_who_has_it_and_the_way_out() -> None:
    with socket.create_server((preparation.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PreparationError) as refused:
            preparation.check_ports_free({"BRIDGE_PORT": port})
    assert str(refused.value) == (
        f"port {port} is not free (Address already in use): `ss -ltnp 'sport = :{port}'` or `lsof -i :{port}` tells who"
        " has it; stop that program, or choose another port with BRIDGE_PORT"
    )


def test_a_port_whose_server_has_only_just_gone_is_free() -> None:
    """Connections that are closed linger (TIME_WAIT), which must not stop a restart."""
    with socket.create_server((preparation.HOST, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((preparation.HOST, port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    preparation.check_ports_free({"BRIDGE_PORT": port})


def test_the_directory_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    preparation.check_writable(tmp_path / "a" / "var")
    assert list((tmp_path / "a" / "var").iterdir()) == []


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        PreparationError, match=r"var cannot be written \(Not a directory\): .* or set VAR_DIR to another"
    ):
        preparation.check_writable(tmp_path / "file" / "var")


def test_secrets_are_for_their_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "redis_url"
    for content in ("first, and longer", "second"):
        preparation.write_secret(file, content)
        assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (content, 0o600)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.django_db
def test_the_admin_is_made_once_with_a_password_for_its_owner_only(tmp_path: Path) -> None:
    password = preparation.prepare_admin(tmp_path)
    assert preparation.prepare_admin(tmp_path) == password
    admin = get_user_model().objects.get(username=preparation.ADMIN)
    assert password is not None
    assert admin.check_password(password)
    assert admin.is_superuser
    assert stat.S_IMODE((tmp_path / "admin_password").stat().st_mode) == 0o600


@pytest.mark.django_db
def test_a_password_that_the_admin_changed_is_neither_shown_nor_reset(tmp_path: Path) -> None:
    preparation.prepare_admin(tmp_path)
    admin = get_user_model().objects.get(username=preparation.ADMIN)
    admin.set_password("my own")
    admin.save()
    assert preparation.prepare_admin(tmp_path) is None
    admin.refresh_from_db()
    assert admin.check_password("my own")
