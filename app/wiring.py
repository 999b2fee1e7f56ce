"""From settings to services: the only place that names concrete classes."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from app.access import Access
from app.admission.clock import LedgerClock
from app.admission.gate import Gate
from app.admission.ip_limits import IpLimits
from app.admission.reconcile import Reconciler
from app.admission.script import AdmissionScript
from app.admission.seeding import Seeder
from app.backends import OUTAGES, Backend, connect
from app.http.instants import datetime_of_us
from app.interactions.cursor import Cursors
from app.interactions.history import HistoryImport
from app.interactions.ids import TurnKeys
from app.interactions.recording import Recorder
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from app.observability.health import Probes
from app.observability.metrics import Readings
from app.tenancy.api_keys import ApiKeys
from app.tenancy.authentication import Authenticator
from app.tenancy.plans import load_plans
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from app.usage.service import UsageService
from app.usage.store import UsageStore
from app.usage.upkeep import Upkeep
from config.settings import Settings, SettingsError

__all__ = ["OUTAGES", "Services", "build"]


@dataclass(frozen=True, slots=True)
class Services:
    """All that routes and commands may ask for, one of each."""

    settings: Settings
    backend: Backend
    tenancy_store: TenancyStore
    organizations: Organizations
    api_keys: ApiKeys
    interaction_store: InteractionStore
    interactions: InteractionService
    recorder: Recorder
    history: HistoryImport
    usage_store: UsageStore
    usage: UsageService
    upkeep: Upkeep
    clock: LedgerClock
    gate: Gate
    reconciler: Reconciler
    access: Access
    probes: Probes
    readings: Readings

    def all(self) -> list[Any]:
        """Every service, to be found by its type."""
        return [getattr(self, field.name) for field in fields(self)]


def build(settings: Settings, backend: Backend | None = None) -> Services:
    """Build every service over `backend`, which `settings` choose unless it is given."""
    backend = backend or connect(settings)
    plans = load_plans(settings.plans_file)
    tenancy = TenancyStore(backend.database)
    store = InteractionStore(backend.database)
    ledger = InteractionStore(backend.maintenance_database)
    usage_store = UsageStore(backend.database)
    organizations = Organizations(tenancy, plans)
    archive = UsageStore(backend.maintenance_database)
    script = AdmissionScript(backend.redis)
    maintenance_script = AdmissionScript(backend.maintenance_redis)
    clock = LedgerClock(backend.redis)
    keys = TurnKeys(settings.id_key)

    def now() -> datetime:
        """Redis's clock, so that keys expire alike on every machine."""
        return datetime_of_us(clock.now_us())

    # Probes must not wait as long as maintenance may.
    watched = Upkeep(usage_store, store, organizations, clock)
    gate = Gate(script, Seeder(maintenance_script, ledger), clock)
    return Services(
        settings=settings,
        backend=backend,
        tenancy_store=tenancy,
        organizations=organizations,
        api_keys=ApiKeys(tenancy, settings.key_peppers, now),
        interaction_store=store,
        interactions=InteractionService(store, Cursors(settings.cursor_secrets)),
        recorder=Recorder(store, clock, keys),
        # A file is brought in at leisure.
        history=HistoryImport(ledger, keys),
        usage_store=usage_store,
        usage=UsageService(usage_store),
        upkeep=Upkeep(archive, ledger, organizations, clock),
        clock=clock,
        gate=gate,
        reconciler=Reconciler(maintenance_script, ledger, settings.request_deadline_s),
        access=Access(
            Authenticator(tenancy, plans, settings.key_peppers, now=now),
            gate,
            _ip_limits(script, settings.ip_limit),
            settings.operator_token,
            OUTAGES,
        ),
        probes=_probes(backend, watched),
        readings=Readings(watched.readings, OUTAGES),
    )


def _ip_limits(script: AdmissionScript, limit: str) -> IpLimits:
    try:
        return IpLimits(script, limit)
    except ValueError as error:
        raise SettingsError(f"IP_LIMIT: {error}; say it like 20/2seconds.") from None


def _probes(backend: Backend, watched: Upkeep) -> Probes:
    pings = _pings(backend)
    return Probes(pings, watched.has_schema, lambda: asdict(watched.health()), OUTAGES)


def _pings(backend: Backend) -> dict[str, Callable[[], object]]:
    return {
        "mongodb": lambda: backend.database.command("ping"),
        "redis": backend.redis.ping,
    }
