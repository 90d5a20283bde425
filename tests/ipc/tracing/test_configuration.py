"""Whether spans are recorded: as the environment or the service itself says, each in a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.markdown import ROOT

RUN = """
import logging, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout)
{before}
from ipc.tracing.configuration import trace_as_configured
from ipc.tracing.tracer import tracer_in_use
from ipc.tracing.steps import emitting
trace_as_configured("exprsn-herald")
with emitting("a:b", "e1"):
    pass
tracer = tracer_in_use()
if tracer is not None:
    tracer.flush()
print("recording" if tracer else "not recording")
# The client of Redis imports what it finds of OpenTelemetry for metrics of its own.
print("imported" if "opentelemetry.sdk.trace" in sys.modules else "not imported")
"""
# As if the packages were not installed.
ABSENT = """
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
"""
OWN = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""


def said(before: str = "", **environment: str) -> str:
    others = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ran = subprocess.run(
        [sys.executable, "-c", RUN.format(before=before)],
        cwd=ROOT,
        env={**others, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("before", ["", ABSENT])
@pytest.mark.parametrize("exporter", ["", "none"])
def test_nobody_asks_and_nothing_is_imported(before: str, exporter: str) -> None:
    assert said(before, OTEL_TRACES_EXPORTER=exporter) == "not recording\nnot imported\n"


def test_spans_go_where_the_environment_says_with_the_name_of_the_service() -> None:
    output = said(OTEL_TRACES_EXPORTER="console")
    assert '"name": "send a:b"' in output
    assert '"service.name": "exprsn-herald"' in output
    assert output.endswith("recording\nimported\n")
    assert '"service.name": "mine"' in said(OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="mine")


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_address_of_a_collector_is_enough(name: str) -> None:
    """One that does not answer is no reason to stop."""
    address = {name: "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_BSP_EXPORT_TIMEOUT": "1"}
    assert "\nrecording\n" in "\n" + said(**address)


def test_one_variable_switches_all_of_it_off() -> None:
    assert said(OTEL_TRACES_EXPORTER="console", OTEL_SDK_DISABLED="TRUE") == "not recording\nnot imported\n"


def test_what_is_asked_for_and_not_installed_is_said() -> None:
    assert "install opentelemetry-sdk" in said(ABSENT, OTEL_TRACES_EXPORTER="console")
    output = said(OTEL_TRACES_EXPORTER="zipkin")
    assert "install opentelemetry-exporter-zipkin" in output
    assert "not recording" in output


def test_a_provider_of_the_services_own_is_used() -> None:
    assert said(OWN).startswith("recording")
    assert said("import opentelemetry.trace").startswith("not recording")
