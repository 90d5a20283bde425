"""Whether the server that runs the bridge asks its clients for certificates, as ``IPC_MTLS`` says that it shall."""

import logging
import ssl
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from uvicorn import Config

from certs.errors import CertificateError
from certs.names import CA, short_name
from certs.pair import read_certificates
from certs.store import CertificateStore

logger = logging.getLogger(__name__)

FLAGS: Final = "--ssl-cert-reqs 2 --ssl-ca-certs"


def check_client_certificates(receive: Any) -> None:
    """Look whether the server asks; where that cannot be seen, a warning says so.

    ASGI tells nothing of it (its TLS extension, which would, is in neither daphne nor uvicorn). uvicorn's ``receive``
    for the lifespan belongs to an object with its configuration, and so with the TLS that it has loaded.

    Raises:
        ImproperlyConfigured: uvicorn does not ask, or for certificates of another CA.

    """
    if short_name(settings.EXPRSN_SERVICE) not in settings.MTLS_SERVICES or getattr(
        settings, "SERVER_ASKS_CLIENTS", False
    ):
        return
    config = getattr(getattr(receive, "__self__", None), "config", None)
    if not isinstance(config, Config):
        logger.warning(
            "IPC_MTLS is on, and whether this server asks its clients for certificates cannot be seen from here: "
            "connect without one and see that it is refused, or run the bridge by manage.py runserver or uvicorn"
        )
        return
    path = CertificateStore(Path(settings.CERTS_DIR)).certificate_path(CA)
    if (wrong := _what_is_wrong(config.ssl, path)) is not None:
        raise ImproperlyConfigured(f"IPC_MTLS is on, and uvicorn {wrong}: start it with {FLAGS} {path}")


def _what_is_wrong(context: ssl.SSLContext | None, ca_path: Path) -> str | None:
    if context is None:
        return "serves without TLS"
    if context.verify_mode is not ssl.CERT_REQUIRED:
        return "does not ask its clients for certificates"
    try:
        authorities = {certificate.public_bytes(Encoding.DER) for certificate in read_certificates(ca_path)}
    except CertificateError as error:
        return f"cannot be compared with the CA ({error})"
    if set(context.get_ca_certs(binary_form=True)) - authorities:
        return "takes certificates of other authorities"
    return None
