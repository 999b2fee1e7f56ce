"""Return facts about the current request: itself, its notes, its id, its age, its client's address.

Flask's `request` and `g` look their object up for each attribute. In code that every request runs
that adds up: use `current_request` and `current_notes` there. Elsewhere use Flask's.
"""

import ipaddress
import time
from typing import Any

from flask import Request, g, request
from ulid import ULID


def current_request() -> Request:
    """Return the current request."""
    proxy: Any = request
    found: Request = proxy._get_current_object()  # noqa: SLF001 - as its manual says
    return found


def current_notes() -> Any:
    """Return the object behind `g`: notes that hooks and views keep with the current request."""
    return g._get_current_object()  # noqa: SLF001 - as above


def request_id() -> str:
    """Return the id of the current request, a ULID that the service made."""
    notes = current_notes()
    if "request_id" not in notes:  # an error before the first hook
        notes.request_id = str(ULID())
    found: str = notes.request_id
    return found


def elapsed_ms() -> float:
    """Return milliseconds since the current request began; 0 before its first hook."""
    now_s = time.perf_counter()
    began_s: float = current_notes().get("began_s", now_s)
    return (now_s - began_s) * 1_000


def client_address() -> str:
    """Return the IP address of the current request's client as normalised text.

    The address that trusted proxies report counts only if it is valid; otherwise that of the
    socket's peer does.
    """
    asked = current_request()
    original = asked.environ.get("werkzeug.proxy_fix.orig") or {}
    for candidate in (asked.remote_addr, original.get("REMOTE_ADDR")):
        try:
            return str(ipaddress.ip_address(candidate or ""))
        except ValueError:
            continue
    return "0.0.0.0"  # noqa: S104 (a Unix socket has no address: all its clients share one bucket)
