"""Find the IP address of a client."""

import ipaddress

from flask import request


def client_address() -> str:
    """Return the client's IP address as normalised text.

    The address that trusted proxies report counts only if it is valid; otherwise that of the
    socket's peer does.
    """
    original = request.environ.get("werkzeug.proxy_fix.orig") or {}
    for candidate in (request.remote_addr, original.get("REMOTE_ADDR")):
        try:
            return str(ipaddress.ip_address(candidate or ""))
        except ValueError:
            continue
    return "0.0.0.0"  # noqa: S104 (a Unix socket has no address: all its clients share one bucket)
