"""Django settings of the bridge and of Timeline, all from the environment: see docs/reference/settings.md."""

from pathlib import Path

from csp.constants import NONE, SELF
from dotenv import load_dotenv

from exprsn import environment as env
from exprsn.catalogue import CATALOGUE, TIMELINE_REDIRECT_PORT

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(BASE_DIR / ".env", override=False)

EXPRSN_ENV = env.choice("EXPRSN_ENV", "production", options=("development", "production"))
EXPRSN_SERVICE = env.choice(
    "EXPRSN_SERVICE",
    "bridge",
    options=("bridge", "timeline"),
    hint="this project runs no other service; a worker names its own, as in IPCWorker('herald')",
)
EXPRSN_VERSION = "0.1.0"
IN_DEVELOPMENT = EXPRSN_ENV == "development"
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY", file=VAR_DIR / "secrets" / "secret_key", may_create=IN_DEVELOPMENT)
if not IN_DEVELOPMENT:
    env.refuse_short("SECRET_KEY", SECRET_KEY)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,.localhost,127.0.0.1,[::1]")
BIND_HOST = env.text("BIND_HOST", "127.0.0.1")

TLS_ENABLED = env.flag("TLS_ENABLED", default=True)
CERTS_DIR = Path(env.text("CERTS_DIR", str(VAR_DIR / "certs")))
CERTS_SERVICES = [service.full_name for service in CATALOGUE]
SERVICE_PORTS = {service.name: env.port(f"{service.name.upper()}_PORT", service.port) for service in CATALOGUE}
IPC_MTLS = env.flag("IPC_MTLS", default=False)
# Whose clients have to show a certificate: Timeline's are browsers and whoever else reads posts.
MTLS_SERVICES = ["bridge"] if IPC_MTLS else []
REDIRECT_PORTS = {"timeline": env.port("TIMELINE_REDIRECT_PORT", TIMELINE_REDIRECT_PORT)}

INSTALLED_APPS = [
    "exprsn",
    # Before staticfiles: its runserver is daphne's with TLS. daphne itself is no app here, or every command and every
    # other server would import it.
    "certs",
    # Before the admin, whose templates it replaces; exprsn's own come before both.
    "unfold.apps.BasicAppConfig",
    "exprsn.admin_site.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "drf_spectacular",
    # Swagger UI from here, not from somebody else's server.
    "drf_spectacular_sidecar",
    "ipc.django_app",
    "bridge",
    "timeline",
]
MIDDLEWARE = [
    "ipc.django_app.tracing.TraceMiddleware",
    # Before what answers by itself, such as by leading to HTTPS: what they put on answers is for all of them.
    "exprsn.headers.PermissionsPolicyMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "exprsn.headers.AdminScriptsMiddleware",
    # Before all that asks who somebody is.
    "ipc.django_app.middleware.DevBypassMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "ipc.django_app.middleware.IPCMiddleware",
    # Within what tells the length of an answer.
    "exprsn.lines.JSONLineMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "exprsn.urls"
ASGI_APPLICATION = "exprsn.asgi.application"
APPEND_SLASH = False
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["ipc.django_app.logins.LimitedModelBackend"]
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

DATABASES = {"default": env.database(env.text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}"))}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Write-ahead logging lets the bridge and Timeline share one file; IMMEDIATE takes the write lock at BEGIN, where
    # waiting for it works (sqlite.org/wal.html, "SQLITE_BUSY").
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 10,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TLS_ENABLED
# A browser takes a cookie of such a name only over TLS, for this very host and for all of its paths.
COOKIE_PREFIX = "__Host-" if TLS_ENABLED else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid", f"{COOKIE_PREFIX}csrftoken"
CSRF_FAILURE_VIEW = "ipc.django_app.http.csrf_failure"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE, CSRF_COOKIE_SAMESITE = "Lax", "Strict"
SESSION_COOKIE_AGE = env.number("SESSION_COOKIE_AGE", 43_200)
SECURE_SSL_REDIRECT = TLS_ENABLED
SECURE_HSTS_SECONDS = 0 if IN_DEVELOPMENT else env.number("SECURE_HSTS_SECONDS", 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not IN_DEVELOPMENT
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

UNFOLD = {
    "SITE_TITLE": "Exprsn IPC",
    "SITE_HEADER": "Exprsn IPC",
    "SITE_SUBHEADER": EXPRSN_SERVICE,
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"/{STATIC_URL}console/icon.svg"}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ipc.django_app.authentication.RequestIdentityAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        # Pages to try requests on are for developers.
        *(["rest_framework.renderers.BrowsableAPIRenderer"] if IN_DEVELOPMENT else []),
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    # OPTIONS is answered with 405: what there is to know is in the schema.
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "ipc.django_app.openapi.Schema",
    "EXCEPTION_HANDLER": "ipc.django_app.http.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": f"Exprsn {EXPRSN_SERVICE}",
    "DESCRIPTION": "See docs/reference/http-api.md, which says more.",
    "VERSION": EXPRSN_VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": [f"{EXPRSN_SERVICE}.openapi.hooks.add_addresses"],
    "POSTPROCESSING_HOOKS": [f"{EXPRSN_SERVICE}.openapi.hooks.complete"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# The mesh.
REDIS_URL = env.text("REDIS_URL")
BRIDGE_URL = env.text("BRIDGE_URL")
IPC_LOG_MAXLEN = env.number("IPC_LOG_MAXLEN", 100_000)
IPC_LOG_TTL = env.number("IPC_LOG_TTL", 86_400)
IPC_MAX_FRAME = env.number("IPC_MAX_FRAME", 1024 * 1024)
# What Django itself reads: forms of the admin. Nobody uploads files.
DATA_UPLOAD_MAX_MEMORY_SIZE = IPC_MAX_FRAME
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
DATA_UPLOAD_MAX_NUMBER_FILES = 0
IPC_MAX_DATA = env.number("IPC_MAX_DATA", 256 * 1024)
IPC_MAX_MESSAGES = env.number("IPC_MAX_MESSAGES", 512)
IPC_OUTBOX_BYTES = env.number("IPC_OUTBOX_BYTES", 8 * 1024 * 1024)
IPC_OUTBOX_MESSAGES = env.number("IPC_OUTBOX_MESSAGES", 32_768)
IPC_MAX_GROUPS = env.number("IPC_MAX_GROUPS", 100)
IPC_MAX_SESSIONS = env.number("IPC_MAX_SESSIONS", 1_000)
IPC_CALLS_PER_SESSION = env.number("IPC_CALLS_PER_SESSION", 1_024)
IPC_CALLS_PER_OWNER = env.number("IPC_CALLS_PER_OWNER", 256)
IPC_BREAKER_FAILURES = env.number("IPC_BREAKER_FAILURES", 5)
IPC_BREAKER_PAUSE = env.number("IPC_BREAKER_PAUSE", 5_000)
IPC_HEARTBEAT = env.number("IPC_HEARTBEAT", 25_000)
IPC_AUTH_TIMEOUT = env.number("IPC_AUTH_TIMEOUT", 5_000)
IPC_MAX_STRANGERS = env.number("IPC_MAX_STRANGERS", 500)
IPC_MAX_STRANGERS_PER_ADDRESS = env.number("IPC_MAX_STRANGERS_PER_ADDRESS", 100)
# Who needs it and does not have it is told by a check; Timeline has no use for it.
IPC_BROKER_KEY = env.secret(
    "IPC_BROKER_KEY", file=VAR_DIR / "secrets" / "broker_key", may_create=IN_DEVELOPMENT, is_needed=False
)
IPC_PERMISSIONS = env.text("IPC_PERMISSIONS")
IPC_TOKEN = env.text("IPC_TOKEN")
IPC_TOKEN_TTL = env.number("IPC_TOKEN_TTL", 300)
IPC_STATEFUL_TTL = env.number("IPC_STATEFUL_TTL", 604_800)
IPC_RATE_LIMIT = env.flag("IPC_RATE_LIMIT", default=True)
IPC_RATE_MAX = env.number("IPC_RATE_MAX", 1_000)
IPC_RATE_WINDOW = env.number("IPC_RATE_WINDOW", 60_000)
IPC_RATE_EXEMPT_MAX = env.number("IPC_RATE_EXEMPT_MAX", 600_000)
DEV_BYPASS = env.flag("DEV_BYPASS", default=False)
IPC_BYPASS_AUTH = env.flag("IPC_BYPASS_AUTH", default=False)
IPC_METRICS_TOKEN = env.text("IPC_METRICS_TOKEN")
IPC_ON_BEHALF = env.words("IPC_ON_BEHALF", "")
# What runs beside the ASGI application of a service: the dotted path of its IPCWorker.
IPC_WORKERS = {"timeline": "timeline.listeners.worker"}

MAX_POST_LENGTH = env.number("MAX_POST_LENGTH", 280)

LOG_LEVEL = env.log_level("LOG_LEVEL", "INFO")
LOG_FORMAT = env.choice("LOG_FORMAT", "human" if IN_DEVELOPMENT else "json", options=("human", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "without_query": {"()": "exprsn.addresses.WithoutQuery"},
        "without_traceback": {"()": "exprsn.suspicions.WithoutTraceback"},
    },
    "formatters": {"line": {"()": "ipc.logs.formatter", "log_format": LOG_FORMAT, "service": EXPRSN_SERVICE}},
    # At the handler: Django has a logger for each suspicion, and a filter is not for the loggers below its own.
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_traceback"]},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handlers would print what the root prints a second time.
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "level": "WARNING"},
        # Its one line for each refused request is enough.
        "django.channels.server": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "daphne": {"level": "WARNING"},
        # uvicorn has set up handlers of its own by now, which would print in another format.
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.error": {"filters": ["without_query"]},
        "uvicorn.access": {"handlers": [], "propagate": True, "filters": ["without_query"]},
        "httpx": {"level": "WARNING"},
    },
}
