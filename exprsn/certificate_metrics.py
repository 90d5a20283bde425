"""How long the certificates of this machine last, as metrics; their alerts are in `ops/prometheus/alerts.yml`."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from prometheus_client.metrics_core import Metric

from certs.errors import CertificateError
from certs.inventory import all_names, certificate_path
from certs.pair import read_certificates
from certs.store import CertificateStore
from ipc.django_app.metrics.names import gauge


def metrics_of_certificates() -> Iterator[Metric]:
    """Return when each certificate ends that is here; one that cannot be read ends at 0, long ago.

    Raises:
        OSError: the directory cannot be used.

    """
    store = CertificateStore(Path(settings.CERTS_DIR))
    ends: dict[tuple[str, ...], float] = {}
    with store.reading():
        for name in all_names(settings.CERTS_SERVICES):
            path = certificate_path(store, name)
            if path.exists():
                ends[(name,)] = _end_of(path)
    says = "When a certificate ends, in Unix time; 0 for one that cannot be read."
    yield gauge("certificate_not_after_timestamp_seconds", says, ("certificate",), ends)


def _end_of(path: Path) -> float:
    try:
        return read_certificates(path)[0].not_valid_after_utc.timestamp()
    except CertificateError:
        return 0.0
