"""Make the services of organizations and API keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from app.audit.store import AuditStore
from app.audit.trail import AuditTrail
from app.clients import MaintenanceDatabase, RequestDatabase
from app.http.instants import datetime_of_us
from app.tenancy.api_keys import ApiKeys
from app.tenancy.authentication import Authenticator
from app.tenancy.directory.service import Directory
from app.tenancy.directory.store import DirectoryStore
from app.tenancy.ended_keys import EndedKeys
from app.tenancy.key_lists import KeyLists
from app.tenancy.key_search import KeySearch
from app.tenancy.key_uses import USE_PRECISION, KeyUses
from app.tenancy.leaks import LeakSearch
from app.tenancy.model import Plan
from app.tenancy.plans import load_plans
from app.tenancy.rotation import KeyRotation
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from config.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class TenancyServices:
    """The services of this room; `ended_keys` and `key_uses` use the maintenance client."""

    store: TenancyStore
    trail: AuditTrail
    organizations: Organizations
    api_keys: ApiKeys
    key_lists: KeyLists
    key_search: KeySearch
    key_rotation: KeyRotation
    leak_search: LeakSearch
    directory: Directory
    ended_keys: EndedKeys
    key_uses: KeyUses
    authenticator: Authenticator


def build_tenancy(
    settings: Settings,
    database: RequestDatabase,
    maintenance_database: MaintenanceDatabase,
    require_database: Callable[[], None],
    *,
    now_us: Callable[[], int],
    fresh_now_us: Callable[[], int],
) -> TenancyServices:
    """Make the services; SettingsError if the plans file is refused.

    Keys expire by the clock of `now_us`; a refusal is checked against `fresh_now_us`.
    `require_database` raises while MongoDB's circuit breaker is open.
    """

    def now() -> datetime:
        return datetime_of_us(now_us())

    plans = _load_plans(settings)
    store = TenancyStore(database)
    retention = timedelta(days=settings.audit_retention_days)
    trail = AuditTrail(AuditStore(database), retention, now)
    api_keys = ApiKeys(store, settings.key_peppers, trail, now)
    background = TenancyStore(maintenance_database)
    key_uses = KeyUses(partial(background.note_key_uses, apart=USE_PRECISION))
    key_search = KeySearch(store, settings.key_peppers)
    return TenancyServices(
        store=store,
        trail=trail,
        organizations=Organizations(store, plans, trail, now),
        api_keys=api_keys,
        key_lists=KeyLists(store, settings.cursor_secrets, now_us),
        key_search=key_search,
        key_rotation=KeyRotation(store, key_search, api_keys, trail, now),
        leak_search=LeakSearch(key_search),
        directory=Directory(DirectoryStore(database), now),
        ended_keys=EndedKeys(background, now),
        key_uses=key_uses,
        authenticator=Authenticator(
            store,
            plans,
            settings.key_peppers,
            now=now,
            fresh_now=lambda: datetime_of_us(fresh_now_us()),
            require_store=require_database,
            note_use=key_uses.note,
        ),
    )


def open_organizations(database: MaintenanceDatabase, tenancy: TenancyServices) -> Organizations:
    """Make organizations over the maintenance client, for passes that read all of them."""
    return Organizations(TenancyStore(database), tenancy.organizations.plans, tenancy.trail)


def _load_plans(settings: Settings) -> Mapping[str, Plan]:
    try:
        return load_plans(settings.plans_file)
    except ValueError as error:
        raise SettingsError(f"PLANS_FILE is refused:\n{error}") from None
