"""`manage.py certinfo`: what the certificates say, and how long they last."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from certs.errors import InvalidNameError
from certs.info import CertificateInfo
from certs.inventory import ROOT, all_names, read_all
from certs.names import resolve
from certs.store import CertificateStore

_HEADINGS = ("NAME", "SUBJECT", "ISSUER", "NOT BEFORE", "NOT AFTER", "DAYS LEFT", "SHA-256 FINGERPRINT")


class Command(BaseCommand):
    """List subject, issuer, dates, days left and fingerprint."""

    help = "List the certificates: subject, issuer, dates, days left and SHA-256 fingerprint."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("service", nargs="?", help="only this service, such as timeline; root is the CA")
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the table; what is missing or unreadable is said after it."""
        try:
            self._print(options)
            self.stdout.flush()
        except BrokenPipeError:
            # Who read this is gone, as `head` when it has its lines; the rest is written to nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())

    def _print(self, options: dict[str, Any]) -> None:
        store = CertificateStore(Path(settings.CERTS_DIR))
        try:
            names = _names(options["service"])
        except InvalidNameError as error:
            raise CommandError(str(error)) from error
        found, problems = read_all(store, names)
        if not found:
            raise CommandError(f"{problems[0]}: run manage.py gencerts")
        if options["json"]:
            self.stdout.write(json.dumps([info.as_json() for info in found], indent=2))
            return
        for line in _table(found):
            self.stdout.write(line)
        for problem in problems:
            self.stderr.write(f"{problem}: run manage.py gencerts")


def _names(service: str | None) -> list[str]:
    if service is None:
        return all_names(settings.CERTS_SERVICES)
    return [service if service == ROOT else resolve(service, settings.CERTS_SERVICES)]


def _table(infos: Iterable[CertificateInfo]) -> Iterable[str]:
    rows = [_HEADINGS, *(_row(info) for info in infos)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(info: CertificateInfo) -> tuple[str, ...]:
    return (
        info.name,
        info.subject,
        info.issuer,
        f"{info.not_before:%Y-%m-%d}",
        f"{info.not_after:%Y-%m-%d}",
        str(info.days_left) if info.days_left >= 0 else "expired",
        info.fingerprint,
    )
