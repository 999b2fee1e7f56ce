"""Clients of real servers, with every time-out and pool bound written down.

The drivers' defaults do not fit a request's way: redis-py would resend a script up to eleven times
and block for a minute, PyMongo would look for a server for thirty seconds.
"""

from typing import Any

from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import ConfigurationError
from pymongo.read_concern import ReadConcern
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.backends import Backend
from config.settings import Settings, SettingsError

DEFAULT_DATABASE = "turnledger"
MAINTENANCE_TIMEOUT_MS = 30_000
# Below about 500 ms PyMongo does not give up any sooner.
SERVER_SELECTION_TIMEOUT_MS = 500
MAINTENANCE_SELECTION_TIMEOUT_MS = 5_000
# Above the threads of a worker, so that no request waits for a connection of another.
POOL_COUNT = 32


def connect(settings: Settings) -> Backend:
    """Make request and maintenance clients for `MONGODB_URI` and `REDIS_URL`.

    Nothing is sent before the first command, so an unreachable server shows itself then, as one of
    `app.backends.OUTAGES` and within the time-outs of the settings.
    """
    uri, url = settings.mongodb_uri, settings.redis_url
    mongodb = _mongodb(uri, settings.mongodb_timeout_ms, SERVER_SELECTION_TIMEOUT_MS)
    maintenance_mongodb = _mongodb(uri, MAINTENANCE_TIMEOUT_MS, MAINTENANCE_SELECTION_TIMEOUT_MS)
    redis = _redis(url, settings.redis_timeout_ms)
    maintenance_redis = _redis(url, MAINTENANCE_TIMEOUT_MS)

    def close() -> None:
        for client in (mongodb, maintenance_mongodb, redis, maintenance_redis):
            client.close()

    return Backend(
        database=_database(mongodb),
        maintenance_database=_database(maintenance_mongodb),
        redis=redis,
        maintenance_redis=maintenance_redis,
        close=close,
    )


def _mongodb(uri: str, timeout_ms: int, selection_timeout_ms: int) -> MongoClient[dict[str, Any]]:
    try:
        return _mongodb_client(uri, timeout_ms, selection_timeout_ms)
    except (ConfigurationError, ValueError):
        # Its text quotes the address, and with it perhaps a password.
        raise SettingsError("MONGODB_URI is not an address that MongoDB's driver takes.") from None


def _mongodb_client(
    uri: str, timeout_ms: int, selection_timeout_ms: int
) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        uri,
        appname="turnledger",
        connect=False,
        timeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        serverSelectionTimeoutMS=selection_timeout_ms,
        maxPoolSize=POOL_COUNT,
        w="majority",
        retryWrites=True,
        retryReads=True,
        tz_aware=True,
        uuidRepresentation="standard",
    )


def _database(client: MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
    database = client.get_default_database(default=DEFAULT_DATABASE)
    # Whatever the address says: what is read decides what is written, above all in the archive.
    return database.with_options(
        read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
    )


def _redis(url: str, timeout_ms: int) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=timeout_ms / 1_000,
        socket_connect_timeout=timeout_ms / 1_000,
        # A charge that is sent twice is charged twice: who retries must know what he does.
        retry=Retry(NoBackoff(), 0),
        max_connections=POOL_COUNT,
        health_check_interval=0,
        # RESP2 needs no HELLO, which old servers lack; the replies that we use are the same.
        protocol=2,
        decode_responses=True,
    )
