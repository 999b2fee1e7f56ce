"""Run the admission script with the test's clock in place of the server's."""

from collections.abc import Callable
from hashlib import sha1
from typing import Any, cast

from redis import Redis

from app.admission.script_source import SHA, SOURCE

# The last argument is the instant that TIME returns.
CLOCK = """
local server, test_now = redis, tonumber(table.remove(ARGV))
local redis = {call = function(command, ...)
  if command ~= 'TIME' then return server.call(command, ...) end
  local microseconds = test_now % 1000000
  return {(test_now - microseconds) / 1000000, microseconds}
end}
"""
_CLOCKED_SHA = sha1((CLOCK + SOURCE).encode()).hexdigest()  # noqa: S324 - so Redis names a script


class _Clocked:
    """A client that runs the admission script at `now_us`, and all else as `client` does."""

    def __init__(self, client: Redis, now_us: Callable[[], int]) -> None:
        self._client = client
        self._now_us = now_us

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def script_load(self, source: str) -> Any:
        assert source == SOURCE
        return self._client.script_load(CLOCK + source)

    def evalsha(self, sha: str, keys_count: int, *words: Any) -> Any:
        assert sha == SHA
        return self._client.evalsha(_CLOCKED_SHA, keys_count, *words, self._now_us())


def clocked(client: Redis, now_us: Callable[[], int]) -> Redis:
    """Return a client whose admission script reads `now_us` as the server's clock."""
    unclocked = client._client if isinstance(client, _Clocked) else client
    return cast("Redis", _Clocked(unclocked, now_us))
