"""Make the services that show operators what happens."""

from dataclasses import dataclass

from app.admission.clock import LedgerClock
from app.admission.peek import Peek
from app.backends.backend import Backend
from app.request_log.service import RequestLog
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from app.watch.explaining import RequestExplainer
from app.watch.limited import LimitedOrganizations
from app.watch.near import NearestToCeilings


@dataclass(frozen=True, slots=True)
class WatchServices:
    """The services of this room."""

    nearest: NearestToCeilings
    limited: LimitedOrganizations
    explainer: RequestExplainer


def build_watch(
    backend: Backend, organizations: Organizations, log: RequestLog, clock: LedgerClock
) -> WatchServices:
    """Make the services; those over all `organizations` read by the maintenance clients."""
    peek = Peek(backend.maintenance_redis, clock)
    return WatchServices(
        nearest=NearestToCeilings(organizations, peek),
        limited=LimitedOrganizations(organizations, peek),
        explainer=RequestExplainer(log, TenancyStore(backend.database)),
    )
