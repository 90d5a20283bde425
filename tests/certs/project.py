"""The settings of a small project that the tests serve with `manage.py runserver`, in processes of their own."""

import os

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = ["certs", "daphne"]
ROOT_URLCONF = "tests.certs.project"
urlpatterns: list[object] = []
DATABASES: dict[str, object] = {}
ASGI_APPLICATION = f"{os.environ['TEST_APPLICATION']}.application"

EXPRSN_SERVICE = os.environ.get("EXPRSN_SERVICE", "bridge")
TLS_ENABLED = SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
CERTS_DIR = os.environ["CERTS_DIR"]
CERTS_SERVICES = ["exprsn-bridge", "exprsn-timeline", "exprsn-herald"]
SERVICE_PORTS = {"bridge": 0, "timeline": 0}
REDIRECT_PORTS = {"timeline": 0}
MTLS_SERVICES = os.environ.get("MTLS_SERVICES", "").split()
BIND_HOST = os.environ.get("BIND_HOST", "127.0.0.1")
IPC_MAX_FRAME = 1024
