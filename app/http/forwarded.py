"""Read `X-Forwarded-Proto` behind trusted proxies."""

from collections.abc import Callable, Iterable
from typing import Any

_HEADER = "HTTP_X_FORWARDED_PROTO"
_SCHEMES = ("http", "https")


class ForwardedScheme:
    """A WSGI application that knows by which scheme the outermost trusted proxy was asked.

    Each of the `hops_count` trusted proxies adds a value, or replaces or keeps the one before it.
    So of the last `hops_count` values the first is the outermost proxy's, whatever stood before
    them; with fewer values the first of all. Anything but a scheme of HTTP is ignored.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], hops_count: int) -> None:
        self._app = app
        self._hops_count = hops_count

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Set the scheme, and answer as the application does."""
        values = environ.get(_HEADER, "").split(",")[-self._hops_count :]
        scheme = values[0].strip(" \t").lower()
        if scheme in _SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        return self._app(environ, start_response)
