"""Make the doctor of one process."""

from app.backends.backend import Backend
from app.doctor.background import check_minutes, check_request_log, check_worker
from app.doctor.clocks import ClockCheck
from app.doctor.process import check_hops, check_settings
from app.doctor.service import Doctor
from app.doctor.stores import StoreChecks
from app.minutes.service import Minutes
from app.request_log.store import RequestLogStore
from app.schema import DatabaseSchema
from app.usage.health import ArchiveHealth
from config.settings import Settings


def build_doctor(
    settings: Settings,
    backend: Backend,
    schema: DatabaseSchema,
    health: ArchiveHealth,
    minutes: Minutes,
) -> Doctor:
    """Make the doctor; `health` reads by the request client."""
    stores, log = StoreChecks(backend, schema), RequestLogStore(backend.database)
    return Doctor(
        {
            "settings": lambda: check_settings(settings),
            "mongodb": stores.mongodb,
            "schema": stores.schema,
            "redis": stores.redis,
            "eviction": stores.eviction,
            "clocks": ClockCheck(backend).check,
            "proxy hops": lambda: check_hops(settings),
            "worker": lambda: check_worker(health),
            "request log": lambda: check_request_log(settings, log),
            "minutes": lambda: check_minutes(minutes),
        }
    )
