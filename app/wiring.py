"""Join the services that each room builds into the services of one process."""

from app.access import Access
from app.admission.build import build_admission
from app.admission.clock import LedgerClock
from app.admission.concurrency import ConcurrencyLimiter
from app.admission.peek_limits import PeekLimits
from app.backends.backend import Backend
from app.backends.connect import connect
from app.doctor.build import build_doctor
from app.interactions.build import build_interactions, open_ledgers
from app.minutes.build import MinuteServices, build_minutes
from app.otlp.build import build_otlp
from app.probes import build_probes, build_readings
from app.request_log.build import RequestLogServices, build_request_log
from app.reservations.service import ReservationService
from app.schema import DatabaseSchema
from app.services import Rooms, Services
from app.tenancy.build import build_tenancy, open_organizations
from app.tenancy.service import Organizations
from app.usage.build import build_probed_health, build_usage
from app.watch.build import WatchServices, build_watch
from app.worker.build import build_worker
from config.settings import Settings


def build(settings: Settings, backend: Backend | None = None) -> Services:
    """Build every service over `backend`; without it, over the one that `settings` name."""
    backend = backend or connect(settings)
    ledgers = open_ledgers(backend)
    admission = build_admission(
        settings, backend.redis, backend.maintenance_redis, ledgers.request, ledgers.maintenance
    )
    clock = admission.clock
    tenancy = build_tenancy(
        settings,
        backend.database,
        backend.maintenance_database,
        backend.mongodb_breaker.require_closed,
        now_us=clock.now_us,
        fresh_now_us=clock.fresh_now_us,
    )
    interactions = build_interactions(settings, ledgers, clock, backend.note_outage)
    organizations = open_organizations(backend.maintenance_database, tenancy)
    usage = build_usage(backend, ledgers, organizations, clock)
    request_log, minutes, watch = _build_watch(settings, backend, organizations, clock)
    probed = build_probed_health(backend, clock)
    schema = DatabaseSchema(backend.database, backend.maintenance_database)
    return Services(
        settings=settings,
        backend=backend,
        schema=schema,
        rooms=Rooms(admission, interactions, tenancy, usage, request_log, minutes, watch),
        reservations=ReservationService(
            interactions.store, interactions.recorder, interactions.turn_keys
        ),
        span_receiver=build_otlp(settings, interactions.recorder),
        worker=build_worker(settings, admission, tenancy, usage, schema),
        access=Access(
            tenancy.authenticator,
            admission.gate,
            admission.ip_limits,
            ConcurrencyLimiter(settings.web_threads),
            PeekLimits(clock.now_us),
            metrics_tokens=(settings.operator_token, settings.metrics_token),
        ),
        probes=build_probes(backend, schema, probed),
        readings=build_readings(backend, schema, probed, watch.largest.figures),
        doctor=build_doctor(settings, backend, schema, probed, minutes.minutes),
    )


def _build_watch(
    settings: Settings, backend: Backend, organizations: Organizations, clock: LedgerClock
) -> tuple[RequestLogServices, MinuteServices, WatchServices]:
    """Build what records answers and what shows them to operators."""
    request_log, minutes = build_request_log(settings, backend), build_minutes(backend)
    watch = build_watch(
        settings,
        backend,
        organizations,
        log=request_log.log,
        minutes=minutes.minutes,
        clock=clock,
    )
    return request_log, minutes, watch
