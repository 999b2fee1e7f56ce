"""Ask a service that is starting whether it answers."""

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection

TIMEOUT_S = 10.0


def is_answering(
    host: str, port: int, path: str = "/healthz", context: ssl.SSLContext | None = None
) -> bool:
    """Return True if a request for `path` is answered with 200; with a `context`, over TLS."""
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    if context:
        connection = HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
