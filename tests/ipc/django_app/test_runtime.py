"""What a process says that has joined no mesh."""

import pytest

from ipc.django_app.runtime import running_redis
from ipc.protocol.errors import UnavailableError


def test_without_a_mesh_there_is_nothing_to_read_from() -> None:
    with pytest.raises(UnavailableError, match="REDIS_URL"):
        running_redis()
