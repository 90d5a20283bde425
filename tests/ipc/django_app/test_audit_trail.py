"""Writing the trail where Django's parts are: from a thread, from the event loop, and where there is no mesh."""

import pytest
from asgiref.sync import sync_to_async

from ipc.django_app.audit_trail import command_user, operator_name, write_now, write_once_a_minute
from ipc.django_app.runtime import Runtime
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter


async def subjects(runtime: Runtime) -> list[str]:
    assert runtime.mesh is not None
    return [entry.subject for entry in (await Audit(runtime.mesh.redis).read(AuditFilter())).entries]


async def test_a_thread_of_the_server_writes_through_its_event_loop(runtime: Runtime) -> None:
    await sync_to_async(write_now)("login", by=operator_name("7"), subject="7", details={"a": 1})
    assert await subjects(runtime) == ["7"]


async def test_what_is_done_all_the_time_is_written_once_a_minute(runtime: Runtime) -> None:
    """Whoever does it, and to what."""
    for _ in range(3):
        for by, subject in (
            ("operator 1", "exprsn-vault"),
            ("operator 1", "exprsn-pulse"),
            ("operator 2", "exprsn-vault"),
        ):
            await write_once_a_minute("operator.speaks", by=by, subject=subject)
    assert await subjects(runtime) == ["exprsn-vault", "exprsn-pulse", "exprsn-vault"]


async def test_without_a_mesh_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    await sync_to_async(write_now)("login", by="ann", subject="7")
    assert "not in the audit trail: login of 7 by ann" in caplog.text
    await write_once_a_minute("operator.speaks", by="ann", subject="7")


def test_a_command_names_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    assert command_user() == "manage.py by ann"
