"""Ask a service whether it answers."""

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection

TIMEOUT_S = 10.0


def is_answering(
    host: str,
    port: int,
    path: str = "/healthz",
    context: ssl.SSLContext | None = None,
    timeout_s: float = TIMEOUT_S,
) -> bool:
    """Return True if a request for `path` is answered with 200; with a `context`, over TLS."""
    connection = HTTPConnection(host, port, timeout=timeout_s)
    if context:
        connection = HTTPSConnection(host, port, timeout=timeout_s, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
