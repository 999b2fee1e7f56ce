"""Read the variables that say where and how both servers listen.

A bad one raises SystemExit with one line: variable, value, what to set instead.
"""

import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_UNIX = "unix:"


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
        """Read `HOST`, `PORT`, `DRAIN_S` and what begins with `WEB_`."""
        host = environ.get("HOST", "0.0.0.0")  # noqa: S104 - a platform routes to it
        is_unix = host.startswith(_UNIX)
        return cls(
            address="" if is_unix else _resolve(host),
            port=_number(environ, "PORT", 8000, 0, 65_535),
            socket_path=Path(host.removeprefix(_UNIX)).absolute() if is_unix else None,
            workers_count=_number(environ, "WEB_CONCURRENCY", 2, 1, 256),
            # The pool of connections to MongoDB has 32: app/backends/live.py.
            threads_count=_number(environ, "WEB_THREADS", 8, 1, 32),
            # Granian waits no longer for the headers of a request, and counts idle time as that.
            keepalive_s=_number(environ, "WEB_KEEPALIVE_S", 30, 0, 60),
            drain_s=_number(environ, "DRAIN_S", 2, 0, 10),
            **_tls(environ),
        )

    @property
    def bind(self) -> str:
        """The address as gunicorn reads it."""
        if self.socket_path:
            return f"{_UNIX}{self.socket_path}"
        return f"{bracketed(self.address)}:{self.port}"


def bracketed(address: str) -> str:
    """Return an IP address as it stands in front of a port."""
    return f"[{address}]" if ":" in address else address


def refuse(name: str, value: str, fix: str) -> NoReturn:
    """End the start with the one line."""
    raise SystemExit(f"{name}={value!r} is refused: {fix}")


def _number(environ: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = environ.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
        fix = f"set a whole number from {lowest} to {highest}, or unset it for {default}"
        refuse(name, text, fix)
    return int(text)


def _tls(environ: Mapping[str, str]) -> dict[str, Path | None]:
    """Return certificate and key, tried out; both or none must be set."""
    names = "WEB_TLS_CERTIFICATE", "WEB_TLS_KEY"
    certificate, key = (environ.get(name, "") for name in names)
    if not certificate and not key:
        return {"tls_certificate": None, "tls_key": None}
    for name, other, text in zip(names, reversed(names), (certificate, key), strict=True):
        if not text:
            refuse(name, text, f"set it too, or unset {other}")
        if not Path(text).is_file() or not os.access(text, os.R_OK):
            refuse(name, text, "set a file that can be read")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError):
        fix = "set a chain of certificates in PEM, and in WEB_TLS_KEY its key without a password"
        refuse(names[0], certificate, fix)
    return {"tls_certificate": Path(certificate), "tls_key": Path(key)}


def _resolve(host: str) -> str:
    """Return the first IP address of `host`, which may be a name or in brackets."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        refuse("HOST", host, "set an IP address or name of this machine, or unix:/path/of/socket")
    return str(found[0][4][0])
