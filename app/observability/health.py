"""Answer `/healthz` and `/readyz`: the process runs, and it can do its work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from flask import Response
from flask_smorest import Blueprint

from app.http.answer_fields import Total
from app.http.application import provided
from app.http.body import json_response
from app.http.fields import AnswerSchema, Choice, ListOf, Part, StrictSchema
from app.observability.readings import find_figures
from app.observability.shared_probe import SharedProbe

_log = structlog.get_logger("turnledger.health")
WARNINGS = ("redis_evicts_keys",)

blueprint = Blueprint("health", __name__, description="Health, for platforms and load balancers.")


class AliveSchema(AnswerSchema):
    """The process answers."""

    status = Choice(("ok",), description="Always `ok`.")


class StoresSchema(AnswerSchema):
    """The state of each store."""

    mongodb = Choice(("up", "down"), description="The ledger. The service needs it.")
    redis = Choice(
        ("up", "down"), description="Limits and quotas. Without it the service is `degraded`."
    )


class ArchiveSchema(AnswerSchema):
    """The lag of the archive."""

    lag_s = Total("Seconds since the last complete sweep started; 0 when no turns are waiting.")
    sweep_age_s = Total(
        "Seconds since the last complete sweep started; null before the first.", allow_none=True
    )
    over_retained_turns = Total("Turns kept beyond 181 days and an hour, counted up to 1,000.")
    organizations_at_fault = Total("Organizations with stored data that cannot be used.")
    set_aside_turns = Total("Turns that could not be summed, since the start.")


class ReadySchema(AnswerSchema):
    """The process can do its work, without Redis only in part."""

    status = Choice(("ready", "degraded"), description="`degraded` while Redis is unavailable.")
    stores = Part(StoresSchema, description="The state of each store.")
    archive = Part(
        ArchiveSchema,
        allow_none=True,
        description="Null if MongoDB is too slow, or the stored figures are damaged.",
    )
    warnings = ListOf(
        Choice(WARNINGS),
        len(WARNINGS),
        description="`redis_evicts_keys`: the `maxmemory-policy` of Redis is not `noeviction`, so "
        "full memory loses charges. The service continues.",
    )


class UnavailableSchema(StrictSchema):
    """MongoDB does not answer, or its indexes and validators are not those of this release.

    A process that is about to end returns only the `status`.
    """

    status = Choice(
        ("unavailable", "draining"),
        required=True,
        description="`draining`: the process is about to end.",
    )
    stores = Part(StoresSchema, description="The state of each store.")
    schema = Choice(
        ("missing", "different"),
        description="Of indexes and validators: some are `missing`, or all exist and some are "
        "`different`.",
    )


@dataclass(frozen=True, slots=True)
class Probes:
    """The checks behind `/readyz`. Their failures do not count in any circuit breaker.

    * `probes`: one for each store; raises one of `failures` unless the store can do its work.
    * `find_schema_faults`: names indexes and validators that are `missing` or `different`.
    * `archive`: reports how late the archive is, which does not affect readiness.
    * `warnings`: returns codes of settings to change; called only while Redis is up.
    * `is_draining`: returns True if the process is about to end.
    """

    probes: Mapping[str, Callable[[], object]]
    find_schema_faults: Callable[[], Mapping[str, str]]
    archive: Callable[[], Mapping[str, int | None]]
    warnings: Callable[[], list[str]]
    failures: tuple[type[Exception], ...]
    is_draining: Callable[[], bool]
    shared: SharedProbe[tuple[dict[str, Any], int]] = field(
        init=False, default_factory=lambda: SharedProbe(lambda answer: answer[1] != 200)
    )

    def check(self) -> dict[str, str]:
        """Probe each store once; return `up` or `down` for each."""
        return {name: self._ask(probe) for name, probe in self.probes.items()}

    def schema_faults(self) -> Mapping[str, str]:
        """Return indexes and validators that differ; none if the store does not answer in time."""
        try:
            return self.find_schema_faults()
        except self.failures:
            return {}

    def find_archive(self) -> Mapping[str, int | None] | None:
        """Return how late the archive is; None if that cannot be read, or not in time."""
        return find_figures("readyz", self.archive, self.failures)

    def _ask(self, probe: Callable[[], object]) -> str:
        try:
            probe()
        except self.failures:
            return "down"
        return "up"


@blueprint.get("/healthz")
@blueprint.response(200, AliveSchema, description="Alive.")
@blueprint.doc(security=[])
def alive() -> Response:
    """Return 200 while the process answers.

    Contacts no store.
    """
    return json_response({"status": "ok"})


@blueprint.get("/readyz")
@blueprint.response(200, ReadySchema, description="`ready` or `degraded`.")
@blueprint.alt_response(
    503,
    schema=UnavailableSchema,
    description="MongoDB or its indexes are missing, or differ, or the process ends.",
)
@blueprint.doc(security=[])
def ready() -> Response:
    """Return 200 if the process can do its work.

    | answer | when |
    | --- | --- |
    | 200 `ready` | all is available |
    | 200 `degraded` | Redis is unavailable |
    | 503 | MongoDB or its indexes are unavailable |

    Returns 503 `draining`, while requests are still served, once the process was asked to end. The
    stores are probed at most once a second; the answer is never older.
    """
    return json_response(*find_readiness())


def find_readiness() -> tuple[dict[str, Any], int]:
    """Return the answer of `/readyz` and its status."""
    probes = provided(Probes)
    if probes.is_draining():
        return {"status": "draining"}, 503
    return probes.shared.ask(lambda: _readiness(probes))


def _readiness(probes: Probes) -> tuple[dict[str, Any], int]:
    """Return the answer and its status."""
    stores = probes.check()
    if stores["mongodb"] == "down":
        return {"status": "unavailable", "stores": stores}, 503
    if faults := probes.schema_faults():
        return _without_schema(stores, faults)
    is_up = stores["redis"] == "up"
    answer = {
        "status": "ready" if is_up else "degraded",
        "stores": stores,
        "archive": probes.find_archive(),
        "warnings": probes.warnings() if is_up else [],
    }
    return answer, 200


def _without_schema(
    stores: Mapping[str, str], faults: Mapping[str, str]
) -> tuple[dict[str, Any], int]:
    state = "missing" if "missing" in faults.values() else "different"
    _log.error(f"schema_{state}", **faults, next_step="run `flask --app wsgi db init`")
    return {"status": "unavailable", "stores": stores, "schema": state}, 503
