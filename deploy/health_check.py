"""Check `/healthz` of the service in this container; the Dockerfile's HEALTHCHECK runs it.

Exits with 1 and the reason unless the answer is 200. Reads `PORT`, `HOST` and `WEB_TLS_CERTIFICATE`
as the service does. Uses the standard library only: an import of `app` takes a second of CPU.
"""

import os
import socket
import ssl
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection

_TIMEOUT_S = 4
_UNIX = "unix:"
# All addresses of this machine, where the loopback address answers too.
_ANY = {"", "0.0.0.0", "::", "[::]"}  # noqa: S104 - nothing listens here
# Without a number the library would look for one in the path.
_NO_PORT = 0


class _UnixConnection(HTTPConnection):
    """A connection to the Unix socket whose path is in `HOST`."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(self.host.removeprefix(_UNIX))


def main(environ: Mapping[str, str] = os.environ) -> None:
    """End with 0 if the service is alive, else with 1 and the reason."""
    connection = _connection(environ)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"/healthz does not answer: {error!r}")
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        sys.exit(f"/healthz answers {status}")


def _connection(environ: Mapping[str, str]) -> HTTPConnection:
    values = {name: environ.get(name, "").strip() for name in ("HOST", "PORT")}
    if values["HOST"].startswith(_UNIX):
        return _UnixConnection(values["HOST"], _NO_PORT)
    host = "localhost" if values["HOST"] in _ANY else values["HOST"].strip("[]")
    port = int(values["PORT"] or 8000)
    if not environ.get("WEB_TLS_CERTIFICATE", "").strip():
        return HTTPConnection(host, port, timeout=_TIMEOUT_S)
    # The certificate is for the names that clients use, not for the loopback address.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)


if __name__ == "__main__":
    main()
