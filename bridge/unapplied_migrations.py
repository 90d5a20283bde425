"""Which migrations the database lacks, looked up now and then, however often somebody asks."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

logger = logging.getLogger(__name__)

AGAIN_S: Final = 10.0
"""After how long it is looked whether somebody has applied them."""

Name = tuple[str, str]


class UnappliedMigrations:
    """The migrations of this process that its database lacks.

    They are those whose files are there when it is first asked: what a newer version brings, which is put into the
    place of one that still runs, is for the newer one to miss. When none is left, it does not look any more.

    Args:
        clock: seconds that only grow.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: list[Name] | None = None
        self._again_at = 0.0

    def problem(self) -> str | None:
        """Return what to do, or None where the database has them all. It may ask the database: not in an event loop.

        Raises:
            DatabaseError: the database cannot be used.

        """
        with self._lock:
            if self._left is None or (self._left and self._clock() >= self._again_at):
                self._left = _unapplied() if self._left is None else _still_unapplied(self._left)
                self._again_at = self._clock() + AGAIN_S
                if self._left:
                    logger.warning("health: %s", _in_words(self._left))
            return _in_words(self._left) if self._left else None


unapplied_migrations: Final = UnappliedMigrations()
"""Those of this process."""


def look_beside() -> threading.Thread:
    """Have the log say what the database lacks before anybody asks, and return the thread that looks.

    A database that cannot be used, or does not answer, holds nothing up, the end of the process included.
    """
    thread = threading.Thread(target=_look, name="unapplied migrations", daemon=True)
    thread.start()
    return thread


def _look() -> None:
    try:
        unapplied_migrations.problem()
    except DatabaseError as error:
        logger.warning("the database cannot be used: %s", error)
    finally:
        connection.close()


def _unapplied() -> list[Name]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [(migration.app_label, migration.name) for migration, _ in plan]


def _still_unapplied(names: list[Name]) -> list[Name]:
    applied = MigrationRecorder(connection).applied_migrations()
    return [name for name in names if name not in applied]


def _in_words(names: list[Name]) -> str:
    first = ".".join(names[0])
    return f"the database lacks migrations, {len(names)} in all, the first is {first}: run manage.py migrate"
