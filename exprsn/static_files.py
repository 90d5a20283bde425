"""The files of the admin's pages: from the apps in development, and what ``collectstatic`` has gathered elsewhere."""

from pathlib import Path
from typing import Any, Final
from wsgiref.headers import Headers

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from servestatic import ServeStaticASGI  # type: ignore[import-untyped]  # has no types

MAX_AGE_S: Final = 3_600


def with_static_files(application: Any) -> Any:
    """Return an ASGI application that answers for its static files, where there are some.

    Outside development they are looked for once, when the server starts: run ``collectstatic`` before.
    """
    if settings.DEBUG:
        return ASGIStaticFilesHandler(application)
    if not Path(settings.STATIC_ROOT).is_dir():
        return application
    return ServeStaticASGI(
        application,
        root=settings.STATIC_ROOT,
        prefix=settings.STATIC_URL,
        max_age=MAX_AGE_S,
        allow_all_origins=False,
        add_headers_function=_as_django_does,
    )


def _as_django_does(headers: Headers, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
