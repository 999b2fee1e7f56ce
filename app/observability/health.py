"""Whether the process is alive, and whether it can do its work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from app.http.fields import AnswerSchema, Choice, Part, StrictSchema
from app.http.provide import provided
from app.http.responses import json_response
from app.observability.readings import note_unreadable
from app.observability.shared_probe import SharedProbe

_log = structlog.get_logger("turnledger.health")
blueprint = Blueprint("health", __name__, description="For platforms and load balancers.")


class AliveSchema(AnswerSchema):
    """The process answers."""

    status = Choice(("ok",))


class StoresSchema(AnswerSchema):
    """Which stores can do their work."""

    mongodb = Choice(("up", "down"))
    redis = Choice(("up", "down"))


class ArchiveSchema(AnswerSchema):
    """How late the archive is."""

    lag_s = fields.Integer()
    sweep_age_s = fields.Integer(allow_none=True)
    over_retained_turns = fields.Integer()
    organizations_at_fault = fields.Integer(
        metadata={"description": "Organizations with stored data that cannot be used."}
    )
    set_aside_turns = fields.Integer(
        metadata={"description": "Turns that could not be summed, since the start."}
    )


class ReadySchema(AnswerSchema):
    """The process can do its work, without Redis only in part."""

    status = Choice(("ready", "degraded"))
    stores = Part(StoresSchema)
    archive = Part(
        ArchiveSchema,
        allow_none=True,
        metadata={"description": "Null if MongoDB is too slow, or what is noted is damaged."},
    )
    warnings = fields.List(
        Choice(("redis_evicts_keys",)),
        metadata={
            "description": "`redis_evicts_keys`: the `maxmemory-policy` of Redis is not "
            "`noeviction`, so full memory loses charges. Work goes on."
        },
    )


class UnavailableSchema(StrictSchema):
    """MongoDB does not answer, or its indexes and validators are not as this release needs them.

    Then `schema` is `missing`, or `different` if all are there.

    Of a process that is about to end there is only the `status`.
    """

    status = Choice(("unavailable", "draining"), required=True)
    stores = Part(StoresSchema)
    schema = Choice(("missing", "different"))


@dataclass(frozen=True, slots=True)
class Probes:
    """What readiness depends on.

    One probe a store: returns quietly when it can do its work, raises one of `failures` when not.
    `find_schema_faults` names indexes and validators that are `missing` or `different`.
    `archive` tells how late the archive is, which is worth a look but keeps nobody from working.
    `warnings` are codes of what an operator should change, asked for only while Redis is up.
    `is_draining` tells that the process is about to end. What fails here is no request, and no
    breaker hears of it.
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
        """`up` or `down` for each store, each asked once."""
        return {name: self._ask(probe) for name, probe in self.probes.items()}

    def schema_faults(self) -> Mapping[str, str]:
        """Name what is not as defined; nothing if the store is too slow to answer in time."""
        try:
            return self.find_schema_faults()
        except self.failures:
            return {}

    def find_archive(self) -> Mapping[str, int | None] | None:
        """How late the archive is; None if that cannot be read, or not in time."""
        try:
            return self.archive()
        except self.failures:
            return None
        except Exception as error:
            note_unreadable("readyz", error)
            return None

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
    """200 while the process answers at all; touches no store."""
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
    """200 `ready`; 200 `degraded` without Redis; 503 without MongoDB or its indexes.

    503 `draining`, with work still being done, once the process has been asked to end. The stores
    are asked at most once a second; the answer is never older.
    """
    probes = provided(Probes)
    if probes.is_draining():
        return json_response({"status": "draining"}, 503)
    payload, status = probes.shared.ask(lambda: _readiness(probes))
    return json_response(payload, status)


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
