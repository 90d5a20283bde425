"""What a bridge and Timeline print at ``/metrics``, by the names that queries may use."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.markdown import ROOT

OPS = ROOT / "ops"
# Of every target, by Prometheus itself.
OF_PROMETHEUS = {"up"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "info": ("_info",)}


@pytest.fixture(scope="session")
def metric_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """All names of samples of both services, with groups and logs or without."""
    folder = tmp_path_factory.mktemp("ops")
    certs_dir = servers.certificates(folder / "certs")
    names = set(OF_PROMETHEUS)
    with (
        EmbeddedValkey(folder / "valkey") as valkey,
        servers.bridge("uvicorn", valkey.url, certs_dir, folder / "bridge") as bridge,
        servers.timeline(valkey.url, certs_dir, folder / "timeline") as timeline,
    ):
        for server in (bridge, timeline):
            names |= _names_of(server.until_metrics_have("ipc_mesh_sampled_timestamp_seconds"))
    return names


def _names_of(text: str) -> set[str]:
    return {
        f"{family.name}{suffix}"
        for family in text_string_to_metric_families(text)
        for suffix in SUFFIXES.get(family.type, ("",))
    }


def read(path: str) -> str:
    """Return the text of a file of `ops`."""
    return Path(OPS / path).read_text(encoding="utf-8")
