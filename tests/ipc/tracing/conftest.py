"""What the tests of tracing share."""

from collections.abc import Iterator

import pytest

from tests.ipc.tracing.recorded import Recorded, recording


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """The spans of a test."""
    with recording() as recorded:
        yield recorded
