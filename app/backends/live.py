"""Make clients of real servers, with every time-out and pool size written down.

The drivers' defaults do not fit a request: redis-py would resend a script up to eleven times and
block for a minute, PyMongo would look for a server for thirty seconds.
"""

from collections.abc import Sequence
from typing import Any, cast

from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from redis import Redis

from app.backends.backend import Backend
from app.backends.breaker import Breaker
from app.backends.latency import MongodbLatency
from app.backends.outages import MongodbCircuitOpen, RedisCircuitOpen
from app.backends.redis_clients import redis_client
from app.backends.redis_cluster import GuardedCluster
from app.backends.redis_server import GuardedRedis
from app.backends.time_limits import bounded
from app.clients import MaintenanceDatabase, MaintenanceRedis, RequestDatabase, RequestRedis
from config.settings import Settings, SettingsError

DEFAULT_DATABASE = "turnledger"
MAINTENANCE_TIMEOUT_MS = 30_000
# The longest commands are scripts over 1,000 entries and the deletion of whole keys. A dead
# connection must not delay a seeding for longer than this.
MAINTENANCE_REDIS_TIMEOUT_MS = 5_000
PROBE_TIMEOUT_S = 1.0
# As many as a worker may have threads. PyMongo's pool makes further callers wait.
MONGODB_POOL_COUNT = 32
# redis-py's pool fails further callers, which looks like an outage: it must never be the bound.
REDIS_POOL_COUNT = 1_024


def connect(settings: Settings) -> Backend:
    """Make request and maintenance clients for `MONGODB_URI` and `REDIS_URL`.

    Nothing is sent before the first command. An unreachable server then raises one of
    `app.backends.outages.OUTAGES`, within the time-outs of the settings.
    """
    uri, url = settings.mongodb_uri, settings.redis_url
    mongodb = _mongodb(uri, settings.mongodb_timeout_ms, [MongodbLatency()])
    maintenance_mongodb = _mongodb(uri, MAINTENANCE_TIMEOUT_MS)
    redis = _redis(url, settings.redis_timeout_ms)
    redis.breaker = Breaker("redis", redis.probe, RedisCircuitOpen)
    maintenance_redis = _redis(url, MAINTENANCE_REDIS_TIMEOUT_MS)
    database = _database(mongodb)

    def close() -> None:
        for client in (mongodb, maintenance_mongodb, redis, maintenance_redis):
            client.close()

    # The methods used here are the same for a cluster and a server.
    return Backend(
        database=RequestDatabase(database),
        maintenance_database=MaintenanceDatabase(_database(maintenance_mongodb)),
        redis=RequestRedis(cast("Redis", redis)),
        maintenance_redis=MaintenanceRedis(cast("Redis", maintenance_redis)),
        require_redis=redis.require_writable,
        mongodb_breaker=Breaker("mongodb", lambda: _probe(database), MongodbCircuitOpen),
        close=close,
    )


def _redis(url: str, timeout_ms: int) -> GuardedRedis | GuardedCluster:
    try:
        return redis_client(url, timeout_ms, REDIS_POOL_COUNT)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}.") from None


def _mongodb(
    uri: str, timeout_ms: int, listeners: Sequence[CommandListener] = ()
) -> MongoClient[dict[str, Any]]:
    try:
        return _mongodb_client(uri, timeout_ms, listeners)
    except Exception:
        # A file may have been deleted since the settings were read. The driver's text quotes the
        # address, perhaps with a password.
        raise SettingsError(
            "MONGODB_URI is not an address that MongoDB's driver accepts."
        ) from None


def _mongodb_client(
    uri: str, timeout_ms: int, listeners: Sequence[CommandListener]
) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        uri,
        appname="turnledger",
        event_listeners=list(listeners),
        connect=False,
        # Includes the selection of a server.
        timeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        maxPoolSize=MONGODB_POOL_COUNT,
        w="majority",
        readPreference="primary",
        retryWrites=True,
        retryReads=True,
        tz_aware=True,
        # One damaged document must not make a whole answer unreadable. Its instants and texts are
        # checked where they are read.
        datetime_conversion="DATETIME_AUTO",
        unicode_decode_error_handler="replace",
        uuidRepresentation="standard",
    )


def _database(client: MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
    database = client.get_default_database(default=DEFAULT_DATABASE)
    # Set here because an address may ask for less. Reads decide what is written, above all
    # in the archive.
    return database.with_options(
        read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
    )


def _probe(database: Database[dict[str, Any]]) -> None:
    """Raise unless there is a primary that a majority follows.

    A linearizable read waits for the majority like a write, and leaves nothing behind.
    """
    with bounded(PROBE_TIMEOUT_S):
        database.get_collection("probe", read_concern=ReadConcern("linearizable")).find_one()
