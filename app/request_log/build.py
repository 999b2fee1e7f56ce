"""Make the services of the log of refused requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.backends.backend import Backend
from app.observability.collecting import AnswerConsumer
from app.request_log.recorder import RequestRecorder
from app.request_log.service import RequestLog
from app.request_log.store import RequestLogStore
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class RequestLogServices:
    """The services of this room."""

    recorder: RequestRecorder
    log: RequestLog
    is_on: bool

    @property
    def consumers(self) -> Sequence[AnswerConsumer]:
        """Return the consumers of answers; none while the log is off."""
        return [self.recorder] if self.is_on else []


def build_request_log(settings: Settings, backend: Backend) -> RequestLogServices:
    """Make the services; `REQUEST_LOG_DAYS` says how long entries are kept."""
    days, store = settings.request_log_days, RequestLogStore(backend.database)
    recorder = RequestRecorder(
        store, timedelta(days=days), require_store=backend.mongodb_breaker.require_closed
    )
    return RequestLogServices(recorder, RequestLog(store, days), is_on=days > 0)
