"""Read `X-Forwarded-Proto` behind trusted proxies."""

from collections.abc import Callable, Iterable
from typing import Any

_HEADER = "HTTP_X_FORWARDED_PROTO"
_SCHEMES = ("http", "https")


class ForwardedScheme:
    """A WSGI application that uses the scheme at which the outermost trusted proxy was called.

    Each of the `hops_count` trusted proxies adds a value, or replaces or keeps the one before it.
    So the first of the last `hops_count` values is the outermost proxy's. With fewer values it is
    the first of all. Values other than `http` and `https` are ignored.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], hops_count: int) -> None:
        self._app = app
        self._hops_count = hops_count

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Set the scheme and call the application."""
        values = environ.get(_HEADER, "").split(",")[-self._hops_count :]
        scheme = values[0].strip(" \t").lower()
        if scheme in _SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        return self._app(environ, start_response)
