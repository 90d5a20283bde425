"""Whether spans are recorded, and where to, as the variables of OpenTelemetry say.

See opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables.
"""

import logging
import os
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from ipc.tracing.tracer import tracer_in_use, use

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

logger = logging.getLogger(__name__)

_EXPORTERS: Final = "opentelemetry_traces_exporter"
# What "otlp" means is said by another variable in the specification; OTLP over HTTP is its default.
_NAMES: Final = {"otlp": "otlp_proto_http"}


def trace_as_configured(service: str) -> None:
    """Record spans from now on, if the process has a provider of tracers or the environment asks for one.

    Without either, nothing of OpenTelemetry is imported here.

    Args:
        service: the full name, which ``OTEL_SERVICE_NAME`` overrides.

    """
    if tracer_in_use() is not None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    provider = _own_provider()
    names = _exporters()
    if provider is None and names:
        provider = _made_provider(service, names)
    if provider is not None:
        from ipc.tracing.opentelemetry import OpenTelemetryTracer

        use(OpenTelemetryTracer(provider))


def _own_provider() -> "TracerProvider | None":
    """Return the provider that the service itself has set."""
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider) else provider


def _exporters() -> list[str]:
    asked = os.environ.get("OTEL_TRACES_EXPORTER", "")
    has_address = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    names = [name.strip() for name in (asked or ("otlp" if has_address else "none")).split(",")]
    return [_NAMES.get(name, name) for name in names if name not in {"", "none"}]


def _made_provider(service: str, names: list[str]) -> "TracerProvider | None":
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("no spans are recorded, though OTEL_ variables ask for it: install opentelemetry-sdk")
        return None
    known = {name: found for name in names for found in entry_points(group=_EXPORTERS, name=name)}
    for name in names:
        if name not in known:
            logger.warning("no spans go to %s: install opentelemetry-exporter-%s", name, name.replace("_", "-"))
    if not known:
        return None
    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": service}))
    provider = TracerProvider(resource=resource)
    for found in known.values():
        provider.add_span_processor(BatchSpanProcessor(found.load()()))
    trace.set_tracer_provider(provider)
    return provider
