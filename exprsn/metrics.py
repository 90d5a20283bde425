"""``GET /metrics``: what Prometheus reads of this process, the bridge's and Timeline's alike."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from exprsn.certificate_metrics import metrics_of_certificates
from ipc.django_app.http import error_body
from ipc.django_app.metrics.access import check_scraper
from ipc.django_app.metrics.scrape import scrape
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError


@csrf_exempt
@never_cache
@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics of this process, for who may read them."""
    try:
        check_scraper(request)
    except IPCError as error:
        refusal = JsonResponse(error_body(error.code, error.message), status=error.code.http_status)
        if error.code is ErrorCode.UNAUTHENTICATED:
            refusal["WWW-Authenticate"] = 'Bearer realm="exprsn metrics"'
        return refusal
    text, content_type = await scrape(request.headers.get("Accept", ""), further=metrics_of_certificates)
    return HttpResponse(text, content_type=content_type)
