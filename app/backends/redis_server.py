"""A client of one Redis server, or of the master that sentinels name, which never resends."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from hiredis import pack_command
from redis import Redis
from redis.connection import AbstractConnection, Connection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from app.backends.breaker import Breaker
from app.backends.redis_guard import PROBE, guarded, require_writable


class GuardedRedis(Redis):
    """One server, or the master that sentinels name; safe between threads.

    Scripts have connections of their own, one per thread that runs one at the same time.
    """

    breaker: Breaker | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: deque[AbstractConnection] = deque()

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script, once; as `execute_command`, in a third of its time.

        Every request runs one. The driver's own method is slower because it can resend, converts
        replies to other types and reports telemetry. Nothing here uses these.
        """
        words = ("EVALSHA", sha, numkeys, *keys_and_args)
        return guarded(self.breaker, self._send, (self._exchange, *words), {})

    def script_load(self, script: bytes | str | memoryview) -> Any:
        """Load a script into the server that `evalsha` uses, whatever the pool's server is."""
        words = ("SCRIPT", "LOAD", script)
        return guarded(self.breaker, self._send, (self._exchange, *words), {})

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, once; see `redis_guard` for its errors."""
        return guarded(self.breaker, self._send, (super().execute_command, *args), options)

    def require_writable(self) -> None:
        """Raise an outage unless the server takes writes; the breaker does not count it."""
        require_writable(self.breaker, self.probe)

    def probe(self) -> None:
        """Raise unless the server takes writes; sent also while the breaker is open."""
        self._send(super().execute_command, *PROBE)

    def close(self) -> None:
        """Close every connection."""
        self._disconnect()
        super().close()

    def _send(self, send: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return send(*arguments, **options)
        except ReadOnlyError:
            # The server has become a replica. Only a new connection finds the new master.
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        # Each is kept, because the pool counts what it has made; it reconnects when it is used.
        with suppress(IndexError):
            for _ in range(len(self._idle)):
                connection = self._idle.popleft()
                connection.disconnect()
                self._idle.append(connection)
        self.connection_pool.disconnect(inuse_connections=False)

    def _exchange(self, *command: Any) -> Any:
        connection = self._idle_connection()
        try:
            if connection.is_connected and not self._is_usable(connection):
                connection.disconnect()
            connection.connect()  # does nothing if it is connected
            connection.send_packed_command([pack_command(command)])
            return connection.read_response()
        except ResponseError:
            raise  # a whole reply
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self._idle.append(connection)

    def _is_usable(self, connection: AbstractConnection) -> bool:
        """Return True if it leads to the pool's server, the current master, and nothing waits."""
        is_ours = bool(self.connection_pool.owns_connection(cast("Connection", connection)))
        return is_ours and not has_unread_data(connection)

    def _idle_connection(self) -> AbstractConnection:
        with suppress(IndexError):
            return self._idle.pop()
        return cast("AbstractConnection", self.connection_pool.make_connection())


def has_unread_data(connection: AbstractConnection) -> bool:
    """Return True if something can be read before a command is sent: a late reply, or the end."""
    try:
        return connection.can_read()
    except (RedisError, OSError):
        return True
