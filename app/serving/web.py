"""Read the variables that say where and how both servers listen.

A bad one raises SystemExit with one line: variable, value, what to set instead.
"""

import os
import re
import socket
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
            tls_certificate=_file(environ, "WEB_TLS_CERTIFICATE", "WEB_TLS_KEY"),
            tls_key=_file(environ, "WEB_TLS_KEY", "WEB_TLS_CERTIFICATE"),
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


def _file(environ: Mapping[str, str], name: str, other: str) -> Path | None:
    text = environ.get(name)
    if text and not os.access(text, os.R_OK):
        refuse(name, text, "set a file that can be read")
    if not text and environ.get(other):
        refuse(name, "", f"set it too, or unset {other}")
    return Path(text) if text else None


def _resolve(host: str) -> str:
    """Return the first IP address of `host`, which may be a name or in brackets."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        refuse("HOST", host, "set an IP address or name of this machine, or unix:/path/of/socket")
    return str(found[0][4][0])
