"""Hold all services of one process."""

from dataclasses import dataclass, fields
from typing import Any

from app.access import Access
from app.admission.build import AdmissionServices
from app.backends.backend import Backend
from app.doctor.service import Doctor
from app.interactions.build import InteractionServices
from app.minutes.build import MinuteServices
from app.observability.health import Probes
from app.observability.metrics import Readings
from app.otlp.service import SpanReceiver
from app.request_log.build import RequestLogServices
from app.reservations.service import ReservationService
from app.schema import DatabaseSchema
from app.tenancy.build import TenancyServices
from app.usage.build import UsageServices
from app.watch.build import WatchServices
from app.worker.service import Worker
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Rooms:
    """The records of the rooms that have several services."""

    admission: AdmissionServices
    interactions: InteractionServices
    tenancy: TenancyServices
    usage: UsageServices
    request_log: RequestLogServices
    minutes: MinuteServices
    watch: WatchServices


@dataclass(frozen=True, slots=True)
class Services:
    """The services that routes and commands may request, one of each type."""

    settings: Settings
    backend: Backend
    schema: DatabaseSchema
    rooms: Rooms
    reservations: ReservationService
    span_receiver: SpanReceiver
    worker: Worker
    access: Access
    probes: Probes
    readings: Readings
    doctor: Doctor

    def all(self) -> list[Any]:
        """Return every service, also those inside the rooms' records."""
        return [*_values(self), *(each for room in _values(self.rooms) for each in _values(room))]


def _values(record: Any) -> list[Any]:
    return [getattr(record, field.name) for field in fields(record)]
