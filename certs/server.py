"""`HTTPSServerManager`: an ASGI application on daphne with a service's certificate, and the redirect beside it."""

import logging
from pathlib import Path
from typing import Any

from cryptography import x509
from django.conf import settings

from certs.errors import CertificateError, MissingCertificateError
from certs.info import CertificateInfo, describe
from certs.listening import DaphneServer, OnListening, Ports
from certs.names import CA, LOCALHOST, resolve, short_name
from certs.pair import Pair, check_dates, read_certificates
from certs.renewal import RENEW_BEFORE
from certs.store import CertificateStore
from certs.tls import twisted_options

logger = logging.getLogger(__name__)


class HTTPServerManager:
    """Serves an ASGI application over plain HTTP."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port
        self._server: DaphneServer | None = None

    def start(self, application: Any, *, on_listening: OnListening | None = None, **options: Any) -> None:
        """Serve until SIGINT, SIGTERM or `stop`; the options are those of `DaphneServer`.

        ``on_listening`` hears the port, and the redirect's port or None.

        Raises:
            ListenError: a port cannot be opened.

        """
        self._server = DaphneServer(application, self._ports(), on_listening=on_listening, **options)
        self._server.run()

    def stop(self) -> None:
        """Stop serving; may be called from any thread, and more than once."""
        if self._server is not None:
            self._server.request_stop()

    def _ports(self) -> Ports:
        return Ports(host=self.host, port=self.port)


class HTTPSServerManager(HTTPServerManager):
    """Serves a service's ASGI application over HTTPS, TLS 1.2 or newer, with a redirect from a plain port beside it.

    The constructor loads the certificate, so that what is wrong with it is known before a port opens. A service that is
    in ``MTLS_SERVICES`` talks only to clients with a certificate that the CA has signed.

    Raises:
        CertificateError: the pair is missing, unreadable, expired or mismatched, or the service is unknown.

    """

    def __init__(
        self,
        service_name: str,
        https_port: int,
        http_port: int | None = None,
        redirect_http: bool = True,
        *,
        host: str = "127.0.0.1",
        certs_dir: Path | None = None,
    ) -> None:
        super().__init__(https_port, host=host)
        self.service_name = resolve(service_name, settings.CERTS_SERVICES)
        self.redirect_port = http_port if redirect_http else None
        store = CertificateStore(Path(certs_dir or settings.CERTS_DIR))
        self.certificate_name, self.pair = load_pair(store, self.service_name)
        self.client_authority = _client_authority(store) if self.asks_clients else None

    @property
    def asks_clients(self) -> bool:
        """Whether clients have to show a certificate."""
        return short_name(self.service_name) in getattr(settings, "MTLS_SERVICES", ())

    @property
    def certificate_info(self) -> CertificateInfo:
        """Subject, issuer, dates, days left and fingerprint of the certificate that is served."""
        return describe(self.certificate_name, self.pair.certificate)

    def _ports(self) -> Ports:
        return Ports(
            host=self.host,
            port=self.port,
            tls=twisted_options(self.pair, client_authority=self.client_authority),
            redirect_port=self.redirect_port,
            allowed_hosts=allowed_hosts(),
        )


def load_pair(store: CertificateStore, service: str) -> tuple[str, Pair]:
    """Return the pair of a service, or localhost's where it has none, and whose it is.

    Raises:
        CertificateError: there is neither, or the one that is there cannot be served.

    """
    advice = "run manage.py gencerts"
    with store.reading():
        name, pair = _read_pair(store, service, advice)
    check_dates(pair.certificate, store.certificate_path(name), advice=advice)
    info = describe(name, pair.certificate)
    if info.days_left < RENEW_BEFORE.days:
        logger.warning("%s expires in %s days: %s", store.certificate_path(name), info.days_left, advice)
    return name, pair


def _read_pair(store: CertificateStore, service: str, advice: str) -> tuple[str, Pair]:
    try:
        try:
            return service, store.read(service)
        except MissingCertificateError as missing:
            try:
                pair = store.read(LOCALHOST)
            except MissingCertificateError as nothing:
                raise MissingCertificateError(f"{missing}, and {nothing} to take its place") from missing
            logger.warning("%s: serving localhost's certificate", missing)
            return LOCALHOST, pair
    except CertificateError as error:
        raise type(error)(f"{error}: {advice}") from error


def _client_authority(store: CertificateStore) -> x509.Certificate:
    path = store.certificate_path(CA)
    try:
        authority = read_certificates(path)[0]
    except CertificateError as error:
        raise type(error)(f"{error}, and clients have to show a certificate of that CA: put it there") from error
    check_dates(authority, path, advice="nobody could show a certificate of it")
    return authority


def allowed_hosts() -> list[str]:
    """Return the hosts that may be redirected to: Django's own default applies in debug mode (HttpRequest.get_host)."""
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return [".localhost", "127.0.0.1", "[::1]"]
    return list(settings.ALLOWED_HOSTS)
