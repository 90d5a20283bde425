"""schemathesis on a running service: requests made up from its schema, each answer held against the schema."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import requests
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from tests.servers import ServerProcess

EXAMPLES = 6
TIMEOUT_S = 20.0
SEED = 7


def described(service: str) -> dict[str, Any]:
    """Return the schema of a service, which is that of another process, as this one would serve it."""
    hooks = {
        "PREPROCESSING_HOOKS": [f"{service}.openapi.hooks.add_addresses"],
        "POSTPROCESSING_HOOKS": [f"{service}.openapi.hooks.complete"],
    }
    with patched_settings(hooks):
        generator: Any = SchemaGenerator
        schema: dict[str, Any] = generator(urlconf=f"{service}.urls").get_schema(public=True)
    return schema


class Api:
    """The API of a service as its schema describes it, for requests that are the same in each run.

    What schemathesis has for pytest gives all tests of one function the same id in pytest 9.2, of which pytest-xdist
    runs one, and makes up its requests when tests are collected; so this takes the part of it that makes a test.

    Args:
        service: its name.
        special: by the id of an operation, what schemathesis does otherwise there.
        by_chance: whether requests are made up by chance, too, and not only examples and what is at the edges.

    """

    def __init__(
        self, service: str, special: Mapping[str, Mapping[str, Any]] | None = None, *, by_chance: bool = True
    ) -> None:
        self._described = described(service)
        self._config = SchemathesisConfig.from_dict(
            {
                "seed": SEED,
                "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
                "operations": [
                    {"include-operation-id": name, **settings} for name, settings in (special or {}).items()
                ],
                # A stranger asks for every operation in a test of its own; asking again each time takes twice as long.
                "checks": {"ignored_auth": {"enabled": False}},
                "phases": {"fuzzing": {"enabled": by_chance}},
            }
        )
        addresses = self._described["paths"].values()
        self.operations = [operation["operationId"] for methods in addresses for operation in methods.values()]

    @functools.cached_property
    def _schema(self) -> Any:
        """Read when a test wants it: each process collects all tests, and few run these."""
        return schemathesis.openapi.from_dict(self._described, config=self._config)

    def exercise(self, operation_id: str, send: Callable[[schemathesis.Case], None]) -> None:
        """Send what is made up for an operation: examples, what its schema covers at its edges, and chance."""
        load_all_checks()
        operation = self._schema.find_operation_by_id(operation_id)
        build_operation_test(
            config=self._schema.config,
            operation=operation,
            test_func=send,
            given_kwargs={},
            feedback=FeedbackSources(),
        )()


def is_wanted(case: schemathesis.Case) -> bool:
    """Tell whether a request is as the schema wants it, as far as the schema can say."""
    return case.meta is not None and case.meta.generation.mode.is_positive


class Asking:
    """A client of schemathesis at a server, with one connection for all that it asks."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._session = requests.Session()

    def ask(self, case: schemathesis.Case, headers: Mapping[str, str]) -> schemathesis.Response:
        """Send a request in somebody's name, hold the answer against the schema, and return it."""
        return case.call_and_validate(**self._options(headers))

    def look(self, case: schemathesis.Case) -> int:
        """Send a request in nobody's name, and return the status."""
        return case.call(**self._options({})).status_code

    def close(self) -> None:
        self._session.close()

    def _options(self, headers: Mapping[str, str]) -> dict[str, Any]:
        # A cookie of one answer is not for the next request.
        self._session.cookies.clear()
        return {
            "base_url": self._server.url,
            "headers": dict(headers),
            "session": self._session,
            "verify": str(self._server.ca_file),
            "timeout": TIMEOUT_S,
        }
