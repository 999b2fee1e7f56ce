"""Make the ledger's stores, and the services that record and read turns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app.admission.clock import LedgerClock
from app.backends.backend import Backend
from app.backends.time_limits import bounded, budget_s
from app.interactions.cursor import Cursors, ExportTokens
from app.interactions.export import Exports, TurnExporter
from app.interactions.ids import TurnKeys
from app.interactions.importing import TurnImporter
from app.interactions.recording import Recorder
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The ledger's store over each client: short time-outs for requests, long for maintenance."""

    request: InteractionStore
    maintenance: InteractionStore


@dataclass(frozen=True, slots=True)
class InteractionServices:
    """The services of this room; `store` uses the request client."""

    store: InteractionStore
    service: InteractionService
    turn_keys: TurnKeys
    recorder: Recorder
    importer: TurnImporter
    exports: Exports
    exporter: TurnExporter


def open_ledgers(backend: Backend) -> Ledgers:
    """Make the stores; admission needs them before this room's services can be built."""
    return Ledgers(
        request=InteractionStore(backend.database),
        maintenance=InteractionStore(backend.maintenance_database),
    )


def build_interactions(
    settings: Settings,
    ledgers: Ledgers,
    clock: LedgerClock,
    note_outage: Callable[[Exception], str],
) -> InteractionServices:
    """Make the services; imports and exports to a file use the maintenance client."""
    turn_keys, cursors = TurnKeys(settings.id_key), Cursors(settings.cursor_secrets)
    service = InteractionService(ledgers.request, cursors, turn_keys)
    return InteractionServices(
        store=ledgers.request,
        service=service,
        turn_keys=turn_keys,
        recorder=Recorder(ledgers.request, clock, turn_keys),
        importer=TurnImporter(ledgers.maintenance, turn_keys),
        exports=Exports(
            service,
            ExportTokens(settings.cursor_secrets),
            partial(bounded, budget_s(settings.mongodb_timeout_ms)),
            note_outage,
        ),
        exporter=TurnExporter(
            InteractionService(ledgers.maintenance, cursors, turn_keys), ledgers.maintenance, clock
        ),
    )
