"""Whether the process is alive, and whether it can do its work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from app.http.fields import AnswerSchema, Choice, Part, StrictSchema
from app.http.provide import provided
from app.http.responses import json_response

_log = structlog.get_logger("turnledger.health")
blueprint = Blueprint("health", __name__, description="For platforms and load balancers.")


class StoresSchema(AnswerSchema):
    """Which stores can do their work."""

    mongodb = Choice(("up", "down"))
    redis = Choice(("up", "down"))


class ArchiveSchema(AnswerSchema):
    """How late the archive is."""

    lag_s = fields.Integer()
    sweep_age_s = fields.Integer(allow_none=True)
    over_retained_turns = fields.Integer()


class ReadySchema(AnswerSchema):
    """The process can do its work, without Redis only in part."""

    status = Choice(("ready", "degraded"))
    stores = Part(StoresSchema)
    archive = Part(
        ArchiveSchema,
        allow_none=True,
        metadata={"description": "Null if MongoDB is too slow to tell it in time."},
    )
    warnings = fields.List(
        Choice(("redis_evicts_keys",)),
        metadata={
            "description": "`redis_evicts_keys`: the `maxmemory-policy` of Redis is not "
            "`noeviction`, so full memory loses charges. Work goes on."
        },
    )


class UnavailableSchema(StrictSchema):
    """MongoDB does not answer, or its indexes are missing; then `schema` says so.

    Of a process that is about to end there is only the `status`.
    """

    status = Choice(("unavailable", "draining"), required=True)
    stores = Part(StoresSchema)
    schema = Choice(("missing",))


@dataclass(frozen=True, slots=True)
class Probes:
    """What readiness depends on.

    One probe a store: returns quietly when it can do its work, raises one of `failures` when not.
    `has_schema` tells whether the database has its indexes, without which no list can be read.
    `archive` tells how late the archive is, which is worth a look but keeps nobody from working.
    `warnings` are codes of what an operator should change, asked for only while Redis is up.
    `is_draining` tells that the process is about to end. What fails here is no request, and no
    breaker hears of it.
    """

    probes: Mapping[str, Callable[[], object]]
    has_schema: Callable[[], bool]
    archive: Callable[[], Mapping[str, int | None]]
    warnings: Callable[[], list[str]]
    failures: tuple[type[Exception], ...]
    is_draining: Callable[[], bool]

    def check(self) -> dict[str, str]:
        """`up` or `down` for each store, each asked once."""
        return {name: self._ask(probe) for name, probe in self.probes.items()}

    def lacks_schema(self) -> bool:
        """Whether indexes are missing; a store too slow to tell in time has them."""
        try:
            return not self.has_schema()
        except self.failures:
            return False

    def find_archive(self) -> Mapping[str, int | None] | None:
        """How late the archive is; None if that cannot be told in time."""
        try:
            return self.archive()
        except self.failures:
            return None

    def _ask(self, probe: Callable[[], object]) -> str:
        try:
            probe()
        except self.failures:
            return "down"
        return "up"


@blueprint.get("/healthz")
@blueprint.response(200, description="Alive.")
@blueprint.doc(security=[])
def alive() -> Response:
    """200 while the process answers at all; touches no store."""
    return json_response({"status": "ok"})


@blueprint.get("/readyz")
@blueprint.response(200, ReadySchema, description="`ready` or `degraded`.")
@blueprint.alt_response(
    503,
    schema=UnavailableSchema,
    description="MongoDB or its indexes are missing, or the process ends.",
)
@blueprint.doc(security=[])
def ready() -> Response:
    """200 `ready`; 200 `degraded` without Redis; 503 without MongoDB or its indexes.

    503 `draining`, with work still being done, once the process has been asked to end.
    """
    probes = provided(Probes)
    if probes.is_draining():
        return json_response({"status": "draining"}, 503)
    stores = probes.check()
    if stores["mongodb"] == "down":
        return json_response({"status": "unavailable", "stores": stores}, 503)
    if probes.lacks_schema():
        _log.error("schema_missing", remedy="run `flask --app wsgi db init`")
        return json_response({"status": "unavailable", "stores": stores, "schema": "missing"}, 503)
    is_up = stores["redis"] == "up"
    return json_response(
        {
            "status": "ready" if is_up else "degraded",
            "stores": stores,
            "archive": probes.find_archive(),
            "warnings": probes.warnings() if is_up else [],
        }
    )
