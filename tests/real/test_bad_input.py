"""Bad input never gets a 5xx: schemathesis throws at a real process what its published OpenAPI documents admit, and what they do not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from cloudd.assembly import SERVICES
from tests.server import CloudProcess

pytestmark = pytest.mark.real
#: per operation; raise it for a longer search
EXAMPLES = int(os.environ.get("CLOUDD_FUZZ_EXAMPLES", "8"))
THROW = settings(
    max_examples=EXAMPLES, phases=[Phase.generate], deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path_factory.mktemp("bad-input"), identity={"argon2_memory_kib": 8, "argon2_passes": 1})
    process.prepare()
    process.start()
    yield process
    process.stop()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", SERVICES)
def test_no_input_breaks_a_service(server: CloudProcess, service: str) -> None:
    base, headers = f"{server.url}/{service}", {"X-Auth-Token": server.token()}
    schema = schemathesis.openapi.from_dict(httpx.get(f"{base}/openapi/openapi.json", timeout=30).json())
    failures: dict[str, str] = {}

    def throw(case: Any) -> None:
        answer = case.call(base_url=base, headers=headers)
        if answer.status_code >= 500:
            failures[f"{case.method} {case.path}"] = (
                f"{answer.status_code} {answer.text[:300]} to {case.path_parameters} {case.query} {case.body}"
            )

    for found in schema.get_all_operations():
        operation = found.ok()
        # Not the route that would revoke the token in use.
        if not (operation.method.upper() == "DELETE" and operation.path.endswith("/auth/tokens")):
            THROW(given(case=operation.as_strategy())(throw))()
    assert not failures, "\n".join(f"{route}: {text}" for route, text in failures.items())
