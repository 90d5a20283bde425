"""The settings that tests run with: a development machine with a throw-away var/, and nothing from a .env file.

``DATABASE_URL`` in the environment is honoured, so that the same tests run on PostgreSQL.
"""

import atexit
import os
import shutil
import tempfile

_var_dir = tempfile.mkdtemp(prefix="exprsn-tests-")
atexit.register(shutil.rmtree, _var_dir, ignore_errors=True)

os.environ.update(
    EXPRSN_ENV="development",
    EXPRSN_SERVICE="bridge",
    VAR_DIR=_var_dir,
    CERTS_DIR="",
    DEBUG="false",
    DEV_BYPASS="true",
    IPC_BYPASS_AUTH="true",
    BIND_HOST="127.0.0.1",
    REDIS_URL="",
    BRIDGE_URL="",
)
# Set, though perhaps empty: a variable that is set is not read from .env.
os.environ.setdefault("DATABASE_URL", "")

from exprsn.settings import *  # noqa: E402, F403 - the environment has to be set first; the star is Django's idiom
from exprsn.settings import DATABASES, VAR_DIR  # noqa: E402 - as above

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and processes then meet as they do in a running system.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
# Hashing is meant to be slow, which says nothing about what is tested here.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
