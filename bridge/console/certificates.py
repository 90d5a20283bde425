"""The certificates of the mesh: whose they are, how long they last, and what is wrong with them."""

from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from bridge.console.page import ConsolePage
from certs.info import CertificateInfo
from certs.inventory import ROOT, all_names, read_all
from certs.renewal import RENEW_BEFORE
from certs.store import CertificateStore

RENEW_DAYS: Final = RENEW_BEFORE.days


class CertificatesPage(ConsolePage):
    """The CA, and each service's."""

    template = "console/certificates.html"
    title = "Certificates"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - nothing is asked
        """Return them, the CA first and then those that end first; what is missing is counted, and said."""
        store = CertificateStore(Path(settings.CERTS_DIR))
        found, problems = read_all(store, all_names(settings.CERTS_SERVICES))
        missing = [name for name in all_names(settings.CERTS_SERVICES) if name not in {info.name for info in found}]
        rows = [_row(info) for info in sorted(found, key=lambda info: (info.name != ROOT, info.not_after))]
        return {
            "rows": rows,
            "problems": problems if found else [],
            "missing": missing if found else [],
            "ending": [row for row in rows if row["state"] != "good"],
            "renew_days": RENEW_DAYS,
            "directory": settings.CERTS_DIR,
        }


def _row(info: CertificateInfo) -> dict[str, Any]:
    total = (info.not_after - info.not_before).days or 1
    state = "bad" if info.days_left < 0 else "warn" if info.days_left <= RENEW_DAYS else "good"
    share = max(0, min(100, round(100 * info.days_left / total)))
    return {"info": info, "state": state, "share": share, "is_root": info.name == ROOT}
