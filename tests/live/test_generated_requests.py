"""Requests that schemathesis generates from `/openapi.json`, to a running service.

Every answer must conform to the document. A run sends about 500 requests, and `--long` about 2,000.
Each run has a new seed, which is among the figures and in the failure. To repeat a run:
`GENERATED_SEED=… scripts/test tests/live/test_generated_requests.py`.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from pymongo.database import Database
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from app.http.problems import CODES
from tests.live.generated import (
    BATCHES,
    CASES,
    Facts,
    Keys,
    cases_count,
    examples_count,
    modes_of,
    operations_of,
)
from tests.servers import RunningService

SEED = int(os.environ.get("GENERATED_SEED") or random.SystemRandom().randrange(2**32))
LEAST_CASES = 2_000
# Of every so many cases of the table one is sent.
SHARES = [8, pytest.param(1, marks=pytest.mark.long)]
OF_EVERY_ANSWER = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# Rules outside the schema: instants that exist and lie in range, our own cursors, and `after`,
# which belongs to an export.
BEYOND_SCHEMA = {"from", "to", "occurred_at", "after"}
# Their ids are generated.
WITHOUT_SUCCESS = {"GET /v1/api-keys/{key_id}", "DELETE /v1/api-keys/{key_id}"}


class Service:
    """A running service with its operations, keys and turns."""

    def __init__(self, base_url: str, keys: Keys, session: requests.Session) -> None:
        self.base_url = base_url
        self.session = session
        self.keys = keys
        self.facts = Facts(keys.writer)
        self.operations = operations_of(session.get(f"{base_url}/openapi.json").json())


@pytest.fixture(scope="module")
def service(common_service: tuple[RunningService, Flask]) -> Iterator[Service]:
    running, app = common_service
    with closing(requests.Session()) as session:
        yield Service(running.base_url, Keys(app), session)


def test_threads_that_use_mongodb_do_not_disturb_the_strategies(
    live_database: Database[dict[str, Any]],
) -> None:
    before = random.getstate()
    live_database["interactions"].find_one()
    assert random.getstate() == before


@pytest.mark.parametrize("share", SHARES)
def test_every_operation_has_its_cases_and_there_are_enough(service: Service, share: int) -> None:
    assert set(CASES) == set(service.operations)
    counts = [cases_count(operation, share) for operation in service.operations.values()]
    assert sum(counts) >= LEAST_CASES // share


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("label", CASES)
def test_every_answer_conforms_to_the_document(
    service: Service, label: str, share: int, report_figures: Any
) -> None:
    operation = service.operations[label]
    judge = Judge(service, operation, share)
    try:
        for mode in modes_of(operation):
            judge.run(mode)
    except BaseException as error:
        error.add_note(f"Repeat with GENERATED_SEED={SEED}")
        raise
    statuses, cases = judge.statuses, judge.statuses.total()
    report_figures(seed=SEED, cases=cases, statuses=dict(sorted(statuses.items())))
    assert cases >= cases_count(operation, share)
    assert not statuses.keys() & {401, 402, 403, 429}, "every case must pass admission"
    assert label in WITHOUT_SUCCESS or any(status < 300 for status in statuses)


class Judge:
    """Sends the cases of one operation, and compares the answers with the document."""

    def __init__(self, service: Service, operation: APIOperation, share: int) -> None:
        self._service = service
        self._examples_count = examples_count(operation, share)
        self._operation = operation
        self._statuses = set(operation.definition.raw["responses"]) - {"default"}
        self._headers = service.keys.headers(operation)
        self.statuses: Counter[int] = Counter()

    def run(self, mode: GenerationMode) -> None:
        """Send the number of cases in the table."""
        is_good = mode is GenerationMode.POSITIVE

        @seed(SEED)
        @settings(
            max_examples=self._examples_count,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(self._operation.as_strategy(generation_mode=mode))
        def send(case: Case) -> None:
            self._send(self._service.facts.put_into(case) if is_good else case, is_good=is_good)

        send()

    def _send(self, case: Case, *, is_good: bool) -> None:
        answer = case.call(
            base_url=self._service.base_url, headers=self._headers, session=self._service.session
        )
        self.statuses[answer.status_code] += 1
        case.validate_response(answer, checks=OF_EVERY_ANSWER)
        # `default` would allow every status.
        assert str(answer.status_code) in self._statuses, case.as_curl_command()
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert CODES[error["code"]].status == answer.status_code
            is_right = not is_good or is_refused_beyond_schema(error)
            assert is_right, f"{error}\n{case.as_curl_command()}"
        # Each element of a batch has its own result.
        elif not is_good and self._operation.label not in BATCHES:
            case.validate_response(answer, checks=[checks.negative_data_rejection])


def is_refused_beyond_schema(error: dict[str, Any]) -> bool:
    """Return True if a request that is valid by the document was refused by another rule.

    A route's state (404, 409), an instant that does not exist or lies out of range, a cursor.
    """
    if error["code"] == "validation_error":
        return {fault["field"] for fault in error["details"]} <= BEYOND_SCHEMA
    return error["code"] in {"not_found", "conflict", "invalid_cursor"}
