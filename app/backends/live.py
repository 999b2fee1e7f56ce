"""Clients of real servers, with every time-out and pool bound written down.

The drivers' defaults do not fit a request's way: redis-py would resend a script up to eleven times
and block for a minute, PyMongo would look for a server for thirty seconds.
"""

from typing import Any, cast

from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from redis import Redis

from app.backends import Backend, MongodbResting, bounded
from app.backends.breaker import Breaker
from app.backends.redis_clients import GuardedCluster, GuardedRedis, RedisResting, redis_client
from app.clients import MaintenanceDatabase, MaintenanceRedis, RequestDatabase, RequestRedis
from config.settings import Settings, SettingsError

DEFAULT_DATABASE = "turnledger"
MAINTENANCE_TIMEOUT_MS = 30_000
# Scripts over a thousand entries at most, and keys that are deleted whole. A connection that leads
# nowhere any more must not hold a seeding up for longer.
MAINTENANCE_REDIS_TIMEOUT_MS = 5_000
PROBE_TIMEOUT_S = 1.0
# As many as a worker may have threads. PyMongo's pool has those wait that are too many.
MONGODB_POOL_COUNT = 32
# redis-py's pool fails those that are too many, as if Redis were ill: it must never be the bound.
REDIS_POOL_COUNT = 1_024


def connect(settings: Settings) -> Backend:
    """Make request and maintenance clients for `MONGODB_URI` and `REDIS_URL`.

    Nothing is sent before the first command, so an unreachable server shows itself then, as one of
    `app.backends.OUTAGES` and within the time-outs of the settings.
    """
    uri, url = settings.mongodb_uri, settings.redis_url
    mongodb = _mongodb(uri, settings.mongodb_timeout_ms)
    maintenance_mongodb = _mongodb(uri, MAINTENANCE_TIMEOUT_MS)
    redis = _redis(url, settings.redis_timeout_ms)
    redis.breaker = Breaker("redis", redis.probe, RedisResting)
    maintenance_redis = _redis(url, MAINTENANCE_REDIS_TIMEOUT_MS)
    database = _database(mongodb)

    def close() -> None:
        for client in (mongodb, maintenance_mongodb, redis, maintenance_redis):
            client.close()

    # What we use of a cluster's client is the same as of a server's.
    return Backend(
        database=RequestDatabase(database),
        maintenance_database=MaintenanceDatabase(_database(maintenance_mongodb)),
        redis=RequestRedis(cast("Redis", redis)),
        maintenance_redis=MaintenanceRedis(cast("Redis", maintenance_redis)),
        require_redis=redis.require_well,
        mongodb_breaker=Breaker("mongodb", lambda: _probe(database), MongodbResting),
        close=close,
    )


def _redis(url: str, timeout_ms: int) -> GuardedRedis | GuardedCluster:
    try:
        return redis_client(url, timeout_ms, REDIS_POOL_COUNT)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}.") from None


def _mongodb(uri: str, timeout_ms: int) -> MongoClient[dict[str, Any]]:
    try:
        return _mongodb_client(uri, timeout_ms)
    except Exception:
        # A file may have gone since the settings were read. The driver's text quotes the address,
        # and with it perhaps a password.
        raise SettingsError("MONGODB_URI is not an address that MongoDB's driver takes.") from None


def _mongodb_client(uri: str, timeout_ms: int) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        uri,
        appname="turnledger",
        connect=False,
        # Looking for a server is a part of it.
        timeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        maxPoolSize=MONGODB_POOL_COUNT,
        w="majority",
        readPreference="primary",
        retryWrites=True,
        retryReads=True,
        tz_aware=True,
        # One damaged document must not make a whole answer unreadable: what its instants and texts
        # are is judged where they are read.
        datetime_conversion="DATETIME_AUTO",
        unicode_decode_error_handler="replace",
        uuidRepresentation="standard",
    )


def _database(client: MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
    database = client.get_default_database(default=DEFAULT_DATABASE)
    # Whatever the address says: what is read decides what is written, above all in the archive.
    return database.with_options(
        read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
    )


def _probe(database: Database[dict[str, Any]]) -> None:
    """Whether there is a primary that a majority follows; raises if not.

    A linearizable read waits for the majority like a write, and leaves nothing behind.
    """
    with bounded(PROBE_TIMEOUT_S):
        database.get_collection("probe", read_concern=ReadConcern("linearizable")).find_one()
