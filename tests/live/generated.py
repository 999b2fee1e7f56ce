"""Generate requests from the OpenAPI document, about existing turns."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import schemathesis
from flask import Flask
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from app.http.instants import format_ms
from app.policies import POLICIES, Door
from app.tenancy.model import Scope
from tests.callers import Caller, new_caller
from tests.servers import OPERATOR_TOKEN
from tests.turns import DAY_MS, body, now_ms, reservation

BATCH = "POST /v1/interactions/batch"
COMPLETIONS = "POST /v1/turns/completions"
BATCHES = {BATCH, COMPLETIONS}
# Of a batch; each reservation is a request.
RESERVED_COUNT = 2
MANY, SOME, FEW = 136, 60, 10
# Cases in each mode. An operation without parameters and body has only one case.
CASES: dict[str, int] = {
    "POST /v1/interactions": MANY,
    "POST /v1/turns": MANY,
    "PUT /v1/turns/{interaction_id}": MANY,
    "GET /v1/interactions": MANY,
    "GET /v1/interactions/aggregates": MANY,
    "GET /v1/usage/turns": MANY,
    "POST /v1/api-keys": MANY,
    BATCH: 20,  # each has up to 500 turns
    COMPLETIONS: 20,
    "GET /v1/interactions/{interaction_id}": SOME,
    "DELETE /v1/turns/{interaction_id}": SOME,
    "GET /v1/api-keys/{key_id}": FEW,
    "DELETE /v1/api-keys/{key_id}": FEW,
    "POST /v1/traces": FEW,
    "GET /v1/limits": FEW,
    "GET /v1/billing/credits": FEW,
    "GET /v1/billing/subscription": FEW,
    "GET /v1/me": FEW,
    "GET /v1/api-keys": FEW,
    "GET /v1/usage/active-relationships": FEW,
    "GET /v1/billing/plans": FEW,
    "GET /healthz": FEW,
    "GET /readyz": FEW,
    "GET /metrics": FEW,
}
# The test sends keys itself; other tests check that keys are required.
_CONFIG = {"generation": {"with-security-parameters": False, "database": "none"}}


def operations_of(document: dict[str, Any]) -> dict[str, APIOperation]:
    """Return every operation of the document by its label, such as `GET /v1/me`."""
    config = schemathesis.Config.from_dict(_CONFIG)
    schema = schemathesis.openapi.from_dict(document, config=config)
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.label: operation for operation in found}


class Keys:
    """One key of each scope, of an organization with high limits."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.writer = new_caller(
            app, requests_per_second=9_000, burst=9_000, scope=Scope.READ_WRITE
        )
        of = self.writer.organization
        self._by_scope = {scope: new_caller(app, of=of, scope=scope) for scope in Scope}

    def headers(self, operation: APIOperation) -> dict[str, str]:
        """Return the credential with the scope that the operation requires."""
        adapter = self._app.url_map.bind("t")
        endpoint, _ = adapter.match(operation.path, method=operation.method.upper())
        policy = POLICIES[endpoint]
        if policy.door is Door.OPERATOR:
            return {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        return self._by_scope[policy.scope].headers if policy.scope else {}


class Facts:
    """Existing turns and reservations, to be put into cases that are valid by the document.

    Without them every case would be about unknown ids and instants in other centuries.
    """

    def __init__(self, writer: Caller) -> None:
        self._recorded = cycle(_recorded(writer, 5))
        self._reserved = _reserved(writer)
        self._is_range_kept = cycle([True, False, False])

    def put_into(self, case: Case) -> Case:
        """Return the case with existing ids and current instants; its shape is unchanged."""
        if case.method == "GET":
            self._put_range(case.query)
        if "interaction_id" in case.path_parameters:
            self._put_turn(case)
        elif isinstance(case.body, dict):
            for turn in [case.body, *case.body.get("interactions", [])]:
                if "occurred_at" in turn:
                    turn["occurred_at"] = format_ms(now_ms())
            for turn in case.body.get("completions", [])[:RESERVED_COUNT]:
                turn["interaction_id"], turn["turn_id"] = next(self._reserved)
        case.body = _with_whole_integers(case.body)
        return case

    def _put_range(self, query: dict[str, Any]) -> None:
        if not next(self._is_range_kept):
            for name in ("cursor", "after"):
                query.pop(name, None)
            range_ms = {"from": now_ms() - 3 * DAY_MS, "to": now_ms()}
            query |= {name: format_ms(range_ms[name]) for name in query.keys() & range_ms}

    def _put_turn(self, case: Case) -> None:
        turn_id = None
        if case.method == "GET":
            interaction_id = next(self._recorded)
        else:
            interaction_id, turn_id = next(self._reserved)
        case.path_parameters["interaction_id"] = interaction_id
        if case.method == "PUT":
            case.body["turn_id"] = turn_id


def _recorded(writer: Caller, count: int) -> list[str]:
    return [writer.record(body()).get_json()["interaction_id"] for _ in range(count)]


def _reserved(writer: Caller) -> Iterator[tuple[str, str]]:
    while True:
        wanted = reservation()
        answer = writer("POST", "/v1/turns", json=wanted)
        assert answer.status_code == 201, answer.text
        yield answer.get_json()["interaction_id"], wanted["turn_id"]


def _with_whole_integers(value: Any) -> Any:
    """Write `1.0` as `1`: JSON Schema accepts it as an integer, but this API does not."""
    if isinstance(value, dict):
        return {name: _with_whole_integers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_whole_integers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def modes_of(operation: APIOperation) -> list[GenerationMode]:
    """Return the modes: valid, and invalid unless only the path could be invalid."""
    can_be_bad = operation.body or operation.query or operation.headers
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if can_be_bad else [])]


def examples_count(operation: APIOperation, share: int) -> int:
    """Return the number of cases in each mode: one of every `share` of the table."""
    return -(-CASES[operation.label] // share)


def cases_count(operation: APIOperation, share: int) -> int:
    """Return the minimum number of cases of an operation."""
    has_many = operation.body or list(operation.iter_parameters())
    return examples_count(operation, share) * len(modes_of(operation)) if has_many else 1
