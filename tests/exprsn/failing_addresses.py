"""The addresses of a bridge, and two at which a view fails with something in hand that is nobody's business."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from exprsn import urls

handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


def fail(request: HttpRequest) -> HttpResponse:
    inner = "an inner secret"
    raise RuntimeError(f"the flux capacitor knows {inner}")


urlpatterns = [path("fails", fail), path("api/fails", fail), *urls.urlpatterns]
