"""Make the probes of `/readyz` and the readings of `/metrics`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from app.backends.backend import Backend
from app.backends.eviction import EvictionWatch
from app.backends.outage_log import OutageLog
from app.backends.outages import OUTAGES
from app.backends.time_limits import bounded
from app.observability.health import Probes
from app.observability.metrics import ByAccount, Readings
from app.schema import DatabaseSchema
from app.serving.shared import is_draining
from app.usage.health import ArchiveHealth

# The limit of the breaker's own probe: a slow store is not down.
PING_TIMEOUT_S = 1.0


def build_probes(backend: Backend, schema: DatabaseSchema, health: ArchiveHealth) -> Probes:
    """Make the probes of `/readyz`; `health` reads by the request client."""

    def ping_mongodb() -> None:
        backend.mongodb_breaker.require_closed()
        with bounded(PING_TIMEOUT_S):
            backend.database.command("ping")

    def find_schema_faults() -> dict[str, str]:
        with bounded(PING_TIMEOUT_S):
            found = schema.find_differences()
        return {each.path: "missing" if each.is_missing else "different" for each in found}

    log = OutageLog()
    probes: dict[str, Callable[[], object]] = {
        "mongodb": log.watching("mongodb", ping_mongodb),
        "redis": log.watching("redis", backend.require_redis),
    }
    return Probes(
        probes,
        find_schema_faults,
        lambda: asdict(health.measure()),
        EvictionWatch(backend.redis).warnings,
        OUTAGES,
        is_draining,
    )


def build_readings(
    backend: Backend,
    schema: DatabaseSchema,
    health: ArchiveHealth,
    read_accounts: Callable[[], Mapping[str, ByAccount]],
) -> Readings:
    """Make the readings of `/metrics`; they are empty while their indexes are missing."""

    def read() -> dict[str, int]:
        backend.mongodb_breaker.require_closed()
        is_incomplete = any(each.is_missing for each in schema.find_differences())
        return {} if is_incomplete else health.readings()

    return Readings(read, read_accounts, OUTAGES)
