"""Make the services that count and read minutes."""

from dataclasses import dataclass

from app.backends.backend import Backend
from app.minutes.counting import MinuteCounter
from app.minutes.service import Minutes
from app.minutes.storage import MinuteStorage


@dataclass(frozen=True, slots=True)
class MinuteServices:
    """The services of this room."""

    counter: MinuteCounter
    minutes: Minutes


def build_minutes(backend: Backend) -> MinuteServices:
    """Make the services; the counter writes by the request client, whose breaker it respects."""
    breaker = getattr(backend.redis, "breaker", None)
    require_redis = breaker.require_closed if breaker else lambda: None
    return MinuteServices(
        MinuteCounter(MinuteStorage(backend.redis), require_redis=require_redis),
        Minutes(MinuteStorage(backend.maintenance_redis)),
    )
