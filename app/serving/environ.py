"""Convert Granian's scope of a request to the WSGI environment, PEP 3333."""

import sys
from functools import lru_cache
from typing import Any

_CONSTANT = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "turnledger",
    "SERVER_PORT": "80",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def environ_of(scope: Any) -> dict[str, Any]:
    """Return the environment of a request, without its body and without secrets of the process."""
    environ = {
        **_CONSTANT,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string.encode().decode("latin-1"),
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else "HTTP/1.1",
        "wsgi.url_scheme": scope.scheme,
    }
    for name, value in scope.headers.items():
        variable = _variable(name)
        if variable in environ:
            environ[variable] += f",{value}"
        elif variable:
            environ[variable] = value
    return environ


@lru_cache(256)
def _variable(name: str) -> str:
    """Return a header's name in the environment; "" for a name that could imitate another."""
    if "_" in name or name == "proxy":  # programs read their own proxy from HTTP_PROXY
        return ""
    variable = name.upper().replace("-", "_")
    return variable if variable in {"CONTENT_LENGTH", "CONTENT_TYPE"} else f"HTTP_{variable}"
