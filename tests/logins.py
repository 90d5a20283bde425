"""People of each role, logged in at a server whose database is made for them."""

import json
import os
import subprocess
import sys
from typing import Final

from tests.servers import ROOT, ServerProcess

ROLES: Final = ("viewer", "operator", "admin", "root")
PEOPLE: Final = f"""
import json
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command

call_command("migrate", verbosity=0)
keys = {{}}
for role in {ROLES!r}:
    user = User.objects.create_user(role, is_staff=True, is_superuser=role == "root")
    user.groups.set(Group.objects.filter(name=role))
    session = SessionStore()
    session["_auth_user_id"], session["_auth_user_hash"] = str(user.pk), user.get_session_auth_hash()
    session["_auth_user_backend"] = "ipc.django_app.logins.LimitedModelBackend"
    session.create()
    keys[role] = session.session_key
print(json.dumps(keys))
"""


def people(server: ServerProcess) -> dict[str, str]:
    """Make the database of a server that does not run yet, and return the key of a session for each role."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", PEOPLE],
        cwd=ROOT,
        env={**os.environ, **server.environment},
        check=True,
        capture_output=True,
        timeout=60,
    )
    keys: dict[str, str] = json.loads(done.stdout)
    return keys
