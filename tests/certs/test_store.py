"""The directory: modes, atomic replacement, and one writer at a time."""

import multiprocessing
import stat
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from certs.errors import MissingCertificateError, PairMismatchError
from certs.store import CertificateStore
from tests.certs import companies


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def nobody_waits() -> None:
    pytest.fail("there is no other writer")


def test_keys_are_private_and_certificates_public(store: CertificateStore) -> None:
    """0600 and 0644, in a directory of 0700."""
    assert {mode(path) for path in store.directory.glob("*-key.pem")} == {0o600}
    assert {mode(path) for path in store.directory.glob("*-cert.pem")} == {0o644}


def test_new_directories_are_private(tmp_path: Path) -> None:
    """All that are made on the way; those that were there stay as they were."""
    tmp_path.chmod(0o755)
    store = CertificateStore(tmp_path / "var" / "certs")
    with store.writing(on_wait=nobody_waits):
        assert mode(store.directory) == mode(store.directory.parent) == 0o700
    assert mode(tmp_path) == 0o755


def test_open_keys_are_closed(store: CertificateStore) -> None:
    """A key that others could read is theirs no longer, and is named."""
    store.key_path("exprsn-timeline").chmod(0o644)
    assert store.harden_keys() == [store.key_path("exprsn-timeline")]
    assert mode(store.key_path("exprsn-timeline")) == 0o600
    assert store.harden_keys() == []


def test_a_write_that_stops_in_the_middle_leaves_no_mismatch(
    store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at each rename in turn, there is the old pair or none, and no draft of a key lies about."""
    certificate, key = companies.make("exprsn-timeline")
    real, left = Path.replace, 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            raise OSError("the disk is full")
        left -= 1
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    for renames in (0, 1):
        left = renames
        with pytest.raises(OSError, match="the disk is full"):
            store.write("exprsn-timeline", [certificate], key)
        with pytest.raises(MissingCertificateError):
            store.read("exprsn-timeline")
        assert not list(store.directory.glob(".draft-*"))
    monkeypatch.undo()
    store.write("exprsn-timeline", [certificate], key)
    assert store.read("exprsn-timeline").certificate == certificate


def test_a_draft_that_cannot_be_written_leaves_the_old_pair(
    store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is removed before everything new is on the disk."""
    before = store.read("exprsn-timeline").certificate

    def full(_descriptor: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", full)
    certificate, key = companies.make("exprsn-timeline")
    with pytest.raises(OSError, match="the disk is full"):
        store.write("exprsn-timeline", [certificate], key)
    assert store.read("exprsn-timeline").certificate == before


def test_what_a_killed_writer_left_is_cleared(store: CertificateStore) -> None:
    """A draft may hold a key."""
    draft = store.directory / ".draft-abc"
    draft.write_text("a key")
    with store.writing(on_wait=nobody_waits):
        assert not draft.exists()


def test_no_ca_is_no_error(tmp_path: Path) -> None:
    """An empty directory is where everything begins."""
    assert CertificateStore(tmp_path).read_authority() is None


def test_a_ca_with_anothers_key_is_refused(store: CertificateStore) -> None:
    """Two files that do not match are never replaced silently: clients trust the certificate."""
    store.key_path("ca").write_bytes(store.key_path("localhost").read_bytes())
    with pytest.raises(PairMismatchError, match="put the right key back, or remove both files"):
        store.read_authority()


def hold(directory: Path, held: Event, release: Event) -> None:
    with CertificateStore(directory).writing(on_wait=nobody_waits):
        held.set()
        release.wait(30)


def test_a_second_writer_waits_for_the_first(store: CertificateStore) -> None:
    """It says that it waits, and goes on when the other process is done."""
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(store.directory, held, release))
    process.start()
    assert held.wait(30)
    waited: list[bool] = []

    def on_wait() -> None:
        waited.append(True)
        release.set()

    with store.writing(on_wait=on_wait):
        assert waited == [True]
    process.join(30)
    assert process.exitcode == 0


def test_reading_needs_no_lock_file(tmp_path: Path) -> None:
    """A directory that somebody else fills may have none, or not allow it."""
    with CertificateStore(tmp_path).reading():
        assert not list(tmp_path.iterdir())
