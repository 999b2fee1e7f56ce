"""The clients of one process: MongoDB and Redis, for requests and for maintenance."""

from collections.abc import Callable
from dataclasses import dataclass

from app.backends.breaker import Breaker
from app.backends.outages import is_of_mongodb, is_store_down
from app.backends.reasons import reason_of
from app.clients import MaintenanceDatabase, MaintenanceRedis, RequestDatabase, RequestRedis


@dataclass(frozen=True, slots=True)
class Backend:
    """The stores of one process; the maintenance clients have longer time-outs, for scans.

    * `mongodb_breaker`: `note_outage` counts failures of requests in it. Redis's breaker is inside
      `redis`.
    * `require_redis`: raises an outage unless Redis takes writes, and `RedisCircuitOpen` while its
      breaker is open. The breaker does not count its failures.
    """

    database: RequestDatabase
    maintenance_database: MaintenanceDatabase
    redis: RequestRedis
    maintenance_redis: MaintenanceRedis
    mongodb_breaker: Breaker
    require_redis: Callable[[], object]
    close: Callable[[], None]

    def note_outage(self, error: Exception) -> str:
        """Count `error` in MongoDB's breaker if it shows that MongoDB is down; return the reason.

        Redis's client counts its failures by itself.
        """
        if is_of_mongodb(error) and is_store_down(error):
            self.mongodb_breaker.note_failure()
        return reason_of(error)
