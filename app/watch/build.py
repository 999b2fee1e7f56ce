"""Make the services that show operators what happens."""

from dataclasses import dataclass

from app.admission.clock import LedgerClock
from app.admission.peek import Peek
from app.backends.backend import Backend
from app.interactions.store import InteractionStore
from app.minutes.service import Minutes
from app.request_log.service import RequestLog
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from app.watch.accounts import Accounts
from app.watch.explaining import RequestExplainer
from app.watch.largest import LargestAccounts
from app.watch.limited import LimitedOrganizations
from app.watch.near import NearestToCeilings
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class WatchServices:
    """The services of this room."""

    nearest: NearestToCeilings
    limited: LimitedOrganizations
    explainer: RequestExplainer
    largest: LargestAccounts
    accounts: Accounts


def build_watch(
    settings: Settings,
    backend: Backend,
    organizations: Organizations,
    *,
    log: RequestLog,
    minutes: Minutes,
    clock: LedgerClock,
) -> WatchServices:
    """Make the services; those over all `organizations` read by the maintenance clients."""
    peek = Peek(backend.maintenance_redis, clock)
    nearest = NearestToCeilings(organizations, peek)
    return WatchServices(
        nearest=nearest,
        limited=LimitedOrganizations(organizations, peek, minutes),
        explainer=RequestExplainer(log, TenancyStore(backend.database)),
        accounts=Accounts(organizations, peek, InteractionStore(backend.database), clock),
        largest=LargestAccounts(nearest, settings.metrics_organizations),
    )
