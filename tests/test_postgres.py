"""The database parts on PostgreSQL: the same tests again, in a run of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import find_programs, postgres_server

ROOT = Path(__file__).resolve().parent.parent
# But not what asks a service of its own process, which has SQLite whatever the tests themselves run on.
TESTS = ["tests/timeline", "tests/ipc/django_app", "--ignore", "tests/timeline/test_schemathesis.py"]


@pytest.mark.postgres
@pytest.mark.processes
@pytest.mark.skipif(
    bool(os.environ.get("DATABASE_URL")), reason="this run has a database of its own choice already (DATABASE_URL)"
)
def test_timeline_and_the_outbox_work_on_postgresql() -> None:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server found: initdb and postgres are neither on PATH nor in /usr/lib/postgresql")
    with postgres_server(programs) as url:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
            cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
