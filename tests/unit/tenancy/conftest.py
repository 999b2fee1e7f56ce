"""Organizations and keys in memory, with clocks that tests move."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from app.audit.store import AuditStore
from app.audit.trail import AuditTrail
from app.backends.backend import Backend
from app.tenancy.api_keys import ApiKeys
from app.tenancy.authentication import Authenticator
from app.tenancy.key_uses import USE_PRECISION, KeyUses
from app.tenancy.model import ApiKey, Environment, Organization, Plan, Scope
from app.tenancy.plans import load_plans
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from tests.schema import make_schema
from tests.servers import PEPPER, ROOT


@dataclass
class Clock:
    """A wall clock and a monotonic clock that stand until they are moved."""

    wall: datetime = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
    monotonic_s: float = 1_000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.monotonic_s

    def pass_(self, **span: float) -> None:
        """Move both clocks on."""
        delta = timedelta(**span)
        self.wall += delta
        self.monotonic_s += delta.total_seconds()


@dataclass
class House:
    """The room with all that stands in it."""

    store: TenancyStore
    trail: AuditTrail
    plans: Mapping[str, Plan]
    clock: Clock
    organizations: Organizations
    keys: ApiKeys
    authenticator: Authenticator

    def tenant(self, plan: str = "free", name: str = "Acme") -> Organization:
        return self.organizations.create(name, plan)

    def key(self, organization: Organization, **options: int) -> tuple[ApiKey, str]:
        return self.keys.issue(organization.id, Environment.LIVE, Scope.READ_WRITE, **options)


@pytest.fixture
def clock() -> Clock:
    """A clock of this test."""
    return Clock()


@pytest.fixture
def house(memory_backend: Backend, clock: Clock) -> House:
    """An empty house."""
    store = TenancyStore(memory_backend.database)
    make_schema(memory_backend.database)
    write = partial(store.note_key_uses, apart=USE_PRECISION)
    uses = KeyUses(write, start=lambda work: work())
    trail = AuditTrail(AuditStore(memory_backend.database), timedelta(days=730), clock.now)
    plans = load_plans(ROOT / "config" / "plans.toml")
    return House(
        store=store,
        trail=trail,
        plans=plans,
        clock=clock,
        organizations=Organizations(store, plans, trail, clock.now),
        keys=ApiKeys(store, [PEPPER], trail, clock.now),
        authenticator=Authenticator(
            store,
            plans,
            [PEPPER],
            require_store=memory_backend.mongodb_breaker.require_closed,
            note_use=uses.note,
            now=clock.now,
            monotonic=clock.monotonic,
        ),
    )
