"""What is printed once everything is up: where things are and what to try."""

from pathlib import Path

from exprsn.supervision.preparation import ADMIN
from exprsn.supervision.programs import SAMPLES, Layout


def banner(layout: Layout, *, redis: str, admin_password: str | None) -> str:
    """Return the text; ``redis`` says in words which server is used."""
    ca_file = _short(layout.ca_file, layout.root)
    curl = f"curl --cacert {ca_file}"
    password = f"password {admin_password}" if admin_password else "with the password you gave it"
    return f"""
  Exprsn is up: the bridge, Timeline, and {", ".join(SAMPLES)}.

  Bridge      {layout.bridge_url}        services attach at {layout.bridge_ws_url}/ipc/<service>
  Timeline    {layout.timeline_url}/api/posts        http://localhost:{layout.timeline_redirect_port} leads there
  Admin       {layout.bridge_url}/admin/        user {ADMIN}, {password}
  Redis       {redis}

  Try in another terminal:
    {curl} {layout.bridge_url}/health
    {curl} {layout.bridge_url}/api/ipc/stats
    {curl} -H 'X-IPC-Request: true' -H 'Content-Type: application/json' \\
         -d '{{"content": "Hello"}}' {layout.timeline_url}/api/posts
    .venv/bin/python manage.py ipccheck --url {layout.bridge_url}

  Ctrl-C stops everything.
"""


def _short(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
