"""Name the two kinds of clients, so that no room takes one for the other.

- Request clients have the short time-outs of `MONGODB_TIMEOUT_MS` and `REDIS_TIMEOUT_MS`.
- Maintenance clients have long time-outs, for scans and for work in the background.
"""

from typing import Any, NewType

from pymongo.database import Database
from redis import Redis

RequestDatabase = NewType("RequestDatabase", Database[dict[str, Any]])
MaintenanceDatabase = NewType("MaintenanceDatabase", Database[dict[str, Any]])
RequestRedis = NewType("RequestRedis", Redis)
MaintenanceRedis = NewType("MaintenanceRedis", Redis)
