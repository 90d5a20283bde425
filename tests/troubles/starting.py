"""What keeps a system from starting."""

import asyncio
from typing import Any

from django.test import override_settings

from exprsn.supervision.preparation import check_ports_free
from ipc.django_app import checks
from tests.scene import Scene
from tests.troubles.told import refusal


async def port_taken(scene: Scene) -> str:
    return await refusal(asyncio.to_thread(check_ports_free, {"BRIDGE_PORT": scene.port}))


async def started_twice(scene: Scene) -> str:
    return await asyncio.to_thread(scene.fail, ".venv/bin/python", "manage.py", "up")


async def environment_not_set(scene: Scene) -> str:
    empty = {"EXPRSN_ENV": "production", "SECRET_KEY": ""}
    return await asyncio.to_thread(
        scene.fail, "env", *map("=".join, empty.items()), ".venv/bin/python", "manage.py", "up"
    )


async def unsafe(_scene: Scene, **settings: Any) -> str:
    with override_settings(DEV_BYPASS=True, IPC_BYPASS_AUTH=True, **settings):
        return await refusal(asyncio.to_thread(checks.refuse_unsafe_settings))
