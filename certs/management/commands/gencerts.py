"""`manage.py gencerts`: the Root CA and the certificates of all services."""

import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from certs.authority import Authority
from certs.company import company_authority
from certs.errors import CertificateError
from certs.names import LOCALHOST, parse_alternative_name, resolve
from certs.pair import KeyType
from certs.renewal import Order, renew
from certs.store import CertificateStore

_LONGEST_DAYS = 3650


class Command(BaseCommand):
    """Make what is missing, and renew what expires within 30 days or is not of the CA any more."""

    help = "Make the Root CA and the services' certificates; again: renew only those that need it."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--service", action="append", help="only this service, such as timeline; repeatable")
        parser.add_argument("--force", action="store_true", help="renew even what is fresh; the CA stays")
        parser.add_argument("--days", type=_days, default=365, help="how long new certificates are valid (365)")
        parser.add_argument("--key-type", choices=list(KeyType), help="kind of new keys (rsa, or what was there)")
        parser.add_argument("--san", action="append", default=[], help="further DNS name or IP address; repeatable")
        parser.add_argument("--ca-cert", type=Path, help="a company's CA to sign with, with its chain up to the root")
        parser.add_argument("--ca-key", type=Path, help="its key; CA_KEY_PASSWORD decrypts it; it is not copied")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make and renew, and say what was done."""
        store = CertificateStore(Path(settings.CERTS_DIR))
        try:
            outcome = renew(store, _order(options), self.stdout.write)
        except CertificateError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"cannot write to {error.filename or store.directory}: {error.strerror}") from error
        self.stdout.write(
            f"{outcome.made} made, {outcome.renewed} renewed, {outcome.fresh} still good, in {store.directory}"
        )


def _order(options: dict[str, Any]) -> Order:
    full_names = settings.CERTS_SERVICES
    chosen = [resolve(name, full_names) for name in options["service"] or (*full_names, LOCALHOST)]
    return Order(
        services=list(dict.fromkeys(chosen)),
        days=options["days"],
        key_type=KeyType(options["key_type"]) if options["key_type"] else None,
        names=tuple(parse_alternative_name(name) for name in options["san"]),
        force=options["force"],
        company=_company(options["ca_cert"], options["ca_key"]),
    )


def _company(certificate_path: Path | None, key_path: Path | None) -> Authority | None:
    if certificate_path is None and key_path is None:
        return None
    if certificate_path is None or key_path is None:
        raise CommandError("--ca-cert and --ca-key go together: give both")
    password = os.environ.get("CA_KEY_PASSWORD")
    return company_authority(certificate_path, key_path, password=password.encode() if password else None)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LONGEST_DAYS:
        raise ArgumentTypeError(f"a whole number from 1 to {_LONGEST_DAYS}, not {text!r}")
    return int(text)
