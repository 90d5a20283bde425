"""The addresses of whichever service this process is, the admin and the metrics."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from exprsn.metrics import metrics

handler400 = "ipc.django_app.http.bad_request"
handler403 = "ipc.django_app.http.permission_denied"
handler404 = "ipc.django_app.http.not_found"
handler500 = "ipc.django_app.http.server_error"

HOME = {"bridge": "/admin/", "timeline": "/api/posts"}

urlpatterns = [
    path("", RedirectView.as_view(url=HOME.get(settings.EXPRSN_SERVICE, "/admin/"))),
    path("admin/", admin.site.urls),
    path("metrics", metrics, name="metrics"),
    path("", include(f"{settings.EXPRSN_SERVICE}.urls")),
]
