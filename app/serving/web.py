"""Read the variables for the address, processes and time limits of both servers.

A bad one raises SystemExit with one line: the variable, its value and what to set instead.
"""

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from config.settings import WEB_CONCURRENCY_BOUNDS, WEB_THREADS_BOUNDS
from config.variables import Variables, require_file

_UNIX = "unix:"
_TLS = ("WEB_TLS_CERTIFICATE", "WEB_TLS_KEY")
# Field, variable, default, lowest and highest value.
_NUMBERS = {
    "port": ("PORT", 8000, 0, 65_535),
    "workers_count": ("WEB_CONCURRENCY", 2, *WEB_CONCURRENCY_BOUNDS),
    "threads_count": ("WEB_THREADS", 8, *WEB_THREADS_BOUNDS),
    # Granian uses one time limit for the headers of a request and for idle connections.
    "keepalive_s": ("WEB_KEEPALIVE_S", 30, 0, 60),
    "drain_s": ("DRAIN_S", 2, 0, 10),
}


@dataclass(frozen=True, slots=True)
class Web:
    """Address, processes, threads and time limits; `socket_path` replaces `address` and `port`."""

    address: str
    port: int
    socket_path: Path | None
    workers_count: int
    threads_count: int
    keepalive_s: int
    drain_s: int
    tls_certificate: Path | None
    tls_key: Path | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Web":
        """Read `HOST`, `PORT`, `DRAIN_S` and every variable that begins with `WEB_`."""
        variables = Variables(environ)
        host = variables.text("HOST") or "0.0.0.0"  # noqa: S104 - a platform routes to it
        numbers = {field: _number(variables, *about) for field, about in _NUMBERS.items()}
        certificate, key = (variables.text(name, require_file) for name in _TLS)
        for name, fix in variables.problems.items():
            # An operator may have set the key itself instead of its path.
            refuse(name, None if name in _TLS else environ[name], fix)
        is_unix = host.startswith(_UNIX)
        return cls(
            address="" if is_unix else _resolve(host),
            port=numbers["port"],
            socket_path=Path(host.removeprefix(_UNIX)).absolute() if is_unix else None,
            workers_count=numbers["workers_count"],
            threads_count=numbers["threads_count"],
            keepalive_s=numbers["keepalive_s"],
            drain_s=numbers["drain_s"],
            **_tls(certificate, key),
        )

    @property
    def bind(self) -> str:
        """Return the address as gunicorn reads it."""
        if self.socket_path:
            return f"{_UNIX}{self.socket_path}"
        return f"{bracketed(self.address)}:{self.port}"


def bracketed(address: str) -> str:
    """Return an IP address as it is written before a port."""
    return f"[{address}]" if ":" in address else address


def refuse(name: str, value: str | None, fix: str) -> NoReturn:
    """Raise SystemExit with one line; pass None for a value that must not be shown."""
    shown = "" if value is None else f"={value!r}"
    raise SystemExit(f"{name}{shown} is refused: {fix}")


def _number(variables: Variables, name: str, default: int, lowest: int, highest: int) -> int:
    number = variables.number(name, lowest, highest)
    return default if number is None else number


def _tls(certificate: str | None, key: str | None) -> dict[str, Path | None]:
    """Return certificate and key after loading them; both or none must be set."""
    if certificate is None or key is None:
        if certificate or key:
            missing, other = _TLS if certificate is None else reversed(_TLS)
            refuse(missing, "", f"set it too, or unset {other}")
        return {"tls_certificate": None, "tls_key": None}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError):
        fix = "set a chain of certificates in PEM, and in WEB_TLS_KEY its key without a password"
        refuse(_TLS[0], None, fix)
    return {"tls_certificate": Path(certificate), "tls_key": Path(key)}


def _resolve(host: str) -> str:
    """Return the first IP address of `host`, which may be a name or in brackets."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        refuse("HOST", host, "set an IP address or name of this machine, or unix:/path/of/socket")
    return str(found[0][4][0])
