"""What is printed once everything is up: where things are and what to try."""

from pathlib import Path
from typing import Final

from certs.names import LOCALHOST
from certs.store import CertificateStore
from exprsn.supervision.preparation import ADMIN
from exprsn.supervision.programs import SAMPLES, Layout

BROWSERS: Final = """
              IPC_MTLS is on: a browser needs a certificate, see docs/howto/production.md#client-certificates"""


def banner(layout: Layout, *, redis: str, admin_password: str | None, asks_for_certificates: bool = False) -> str:
    """Return the text; ``redis`` says in words which server is used.

    Where the bridge asks its clients for certificates (``IPC_MTLS``), what is to be tried there shows localhost's.
    """
    curl = f"curl --cacert {_short(layout.ca_file, layout.root)}"
    shown = _shown(layout) if asks_for_certificates else ""
    # Another terminal has neither the CA nor a certificate where they are somewhere else.
    elsewhere = "" if layout.certs_dir == layout.root / "var" / "certs" else f"CERTS_DIR={layout.certs_dir} "
    browsers = BROWSERS if asks_for_certificates else ""
    password = f"password {admin_password}" if admin_password else "with the password you gave it"
    return f"""
  Exprsn is up: the bridge, Timeline, and {", ".join(SAMPLES)}.

  Bridge      {layout.bridge_url}        services attach at {layout.bridge_ws_url}/ipc/<service>
  Timeline    {layout.timeline_url}/api/posts        http://localhost:{layout.timeline_redirect_port} leads there
  Admin       {layout.bridge_url}/admin/        user {ADMIN}, {password}{browsers}
  Redis       {redis}

  Try in another terminal:
    {curl}{shown} {layout.bridge_url}/health
    {curl}{shown} {layout.bridge_url}/api/ipc/stats
    {curl} -H 'X-IPC-Request: true' -H 'Content-Type: application/json' \\
         -d '{{"content": "Hello"}}' {layout.timeline_url}/api/posts
    {elsewhere}.venv/bin/python manage.py ipccheck --url {layout.bridge_url}

  Ctrl-C stops everything.
"""


def _shown(layout: Layout) -> str:
    store = CertificateStore(layout.certs_dir)
    certificate = _short(store.certificate_path(LOCALHOST), layout.root)
    key = _short(store.key_path(LOCALHOST), layout.root)
    return f" --cert {certificate} --key {key}"


def _short(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
