"""From settings to services: the only place that names concrete classes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from app.access import Access
from app.admission.clock import LedgerClock
from app.admission.concurrency import ConcurrencyLimiter
from app.admission.fallback import LocalBuckets
from app.admission.gate import Gate
from app.admission.ip_limits import IpLimits
from app.admission.ledger import PeriodLedger
from app.admission.reconcile import Reconciler
from app.admission.script import AdmissionScript
from app.admission.seeding import Seeder
from app.backends import OUTAGES, Backend, bounded, connect, is_outage, note_outage
from app.backends.eviction import EvictionWatch
from app.backends.outage_log import OutageLog
from app.http.instants import datetime_of_us
from app.interactions.cursor import Cursors
from app.interactions.history import HistoryImport
from app.interactions.ids import TurnKeys
from app.interactions.recording import Recorder
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from app.observability.health import Probes
from app.observability.metrics import Readings
from app.reservations.service import ReservationService
from app.schema import DatabaseSchema
from app.serving.shared import is_draining
from app.tenancy.api_keys import ApiKeys
from app.tenancy.authentication import Authenticator
from app.tenancy.key_lists import KeyLists
from app.tenancy.model import Plan
from app.tenancy.plans import load_plans
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from app.usage.notes.store import PassNotes
from app.usage.service import UsageService
from app.usage.store import UsageStore
from app.usage.upkeep import Upkeep
from config.settings import OnRedisFailure, Settings, SettingsError

__all__ = ["OUTAGES", "Services", "build", "is_outage"]

# As long as the breaker's own probe may take: a store that is slow is not down.
PING_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class Services:
    """All that routes and commands may ask for, one of each."""

    settings: Settings
    backend: Backend
    schema: DatabaseSchema
    tenancy_store: TenancyStore
    organizations: Organizations
    api_keys: ApiKeys
    key_lists: KeyLists
    interaction_store: InteractionStore
    interactions: InteractionService
    recorder: Recorder
    history: HistoryImport
    reservations: ReservationService
    usage_store: UsageStore
    usage: UsageService
    upkeep: Upkeep
    clock: LedgerClock
    gate: Gate
    reconciler: Reconciler
    access: Access
    probes: Probes
    readings: Readings

    def note_outage(self, error: Exception) -> str:
        """Have the breaker of a store count `error`, which made an answer fail; return why."""
        return note_outage(self.backend, error)

    def all(self) -> list[Any]:
        """Every service, to be found by its type."""
        return [getattr(self, field.name) for field in fields(self)]


def build(settings: Settings, backend: Backend | None = None) -> Services:
    """Build every service over `backend`, which `settings` choose unless it is given."""
    backend = backend or connect(settings)
    plans = _plans(settings)
    tenancy = TenancyStore(backend.database)
    store = InteractionStore(backend.database)
    ledger = InteractionStore(backend.maintenance_database)
    usage_store = UsageStore(backend.database)
    organizations = Organizations(tenancy, plans)
    maintenance_script = AdmissionScript(backend.maintenance_redis)
    clock = LedgerClock(backend.redis)
    schema = DatabaseSchema(backend.database, backend.maintenance_database)
    keys = TurnKeys(settings.id_key)
    recorder = Recorder(store, clock, keys)
    # Probes must not wait as long as maintenance may.
    notes = PassNotes(backend.database)
    watched = Upkeep(usage_store, notes, store, organizations, clock)
    seeder = Seeder(maintenance_script, ledger)
    gate, ip_limits = _guards(settings, backend, seeder, store, clock)
    authenticator = _authenticator(settings, backend, tenancy, plans, clock)
    return Services(
        settings=settings,
        backend=backend,
        schema=schema,
        tenancy_store=tenancy,
        organizations=organizations,
        api_keys=ApiKeys(tenancy, settings.key_peppers, lambda: datetime_of_us(clock.now_us())),
        key_lists=KeyLists(tenancy, settings.cursor_secrets, clock.now_us),
        interaction_store=store,
        interactions=InteractionService(store, Cursors(settings.cursor_secrets)),
        recorder=recorder,
        # A file is brought in at leisure.
        history=HistoryImport(ledger, keys),
        reservations=ReservationService(store, recorder, keys),
        usage_store=usage_store,
        usage=UsageService(usage_store),
        upkeep=Upkeep(
            UsageStore(backend.maintenance_database), notes, ledger, organizations, clock
        ),
        clock=clock,
        gate=gate,
        reconciler=Reconciler(maintenance_script, ledger, settings.request_deadline_s),
        access=_access(settings, authenticator, gate, ip_limits),
        probes=_probes(backend, schema, watched),
        readings=Readings(lambda: _readings(backend, schema, watched), OUTAGES),
    )


def _plans(settings: Settings) -> Mapping[str, Plan]:
    try:
        return load_plans(settings.plans_file)
    except ValueError as error:
        raise SettingsError(f"PLANS_FILE is refused:\n{error}") from None


def _authenticator(
    settings: Settings,
    backend: Backend,
    tenancy: TenancyStore,
    plans: Mapping[str, Plan],
    clock: LedgerClock,
) -> Authenticator:
    """Keys expire by Redis's clock, alike on every machine."""
    return Authenticator(
        tenancy,
        plans,
        settings.key_peppers,
        now=lambda: datetime_of_us(clock.now_us()),
        fresh_now=lambda: datetime_of_us(clock.fresh_now_us()),
        require_store=backend.mongodb_breaker.require_closed,
    )


def _guards(
    settings: Settings,
    backend: Backend,
    seeder: Seeder,
    ledger: PeriodLedger,
    clock: LedgerClock,
) -> tuple[Gate, IpLimits]:
    """The limits of organizations and of addresses: one script, and one stand-in for it."""
    script = AdmissionScript(backend.redis)
    local = LocalBuckets(settings.web_concurrency, clock.now_us)
    is_strict = settings.quota_on_redis_failure is OnRedisFailure.DENY
    gate = Gate(script, seeder, ledger, clock, local, needs_charge=is_strict)
    try:
        return gate, IpLimits(script, settings.ip_limit, local)
    except ValueError as error:
        raise SettingsError(f"IP_LIMIT: {error}; say it like 20/2seconds.") from None


def _access(
    settings: Settings, authenticator: Authenticator, gate: Gate, ip_limits: IpLimits
) -> Access:
    return Access(
        authenticator,
        gate,
        ip_limits,
        ConcurrencyLimiter(settings.web_threads),
        operator_token=settings.operator_token,
    )


def _probes(backend: Backend, schema: DatabaseSchema, watched: Upkeep) -> Probes:
    def ping_mongodb() -> None:
        backend.mongodb_breaker.require_closed()
        with bounded(PING_TIMEOUT_S):
            backend.database.command("ping")

    log = OutageLog()
    probes: dict[str, Callable[[], object]] = {
        "mongodb": log.watching("mongodb", ping_mongodb),
        "redis": log.watching("redis", backend.require_redis),
    }

    def find_schema_faults() -> dict[str, str]:
        with bounded(PING_TIMEOUT_S):
            found = schema.find_differences()
        return {each.place: "missing" if each.is_missing else "different" for each in found}

    return Probes(
        probes,
        find_schema_faults,
        lambda: asdict(watched.health()),
        EvictionWatch(backend.redis).warnings,
        OUTAGES,
        is_draining,
    )


def _readings(backend: Backend, schema: DatabaseSchema, watched: Upkeep) -> dict[str, int]:
    """Return the figures for operators; none without the indexes, by which they are found."""
    backend.mongodb_breaker.require_closed()
    is_lacking = any(difference.is_missing for difference in schema.find_differences())
    return {} if is_lacking else watched.readings()
