"""Return the current request and its notes without Flask's proxies.

Flask's `request` and `g` look their object up for each attribute. In code that every request runs
that adds up. Elsewhere use Flask's.
"""

from typing import Any

from flask import Request, g, request


def current_request() -> Request:
    """Return the current request."""
    proxy: Any = request
    found: Request = proxy._get_current_object()  # noqa: SLF001 - as its manual says
    return found


def current_notes() -> Any:
    """Return the object behind `g`: notes that hooks and views keep with the current request."""
    return g._get_current_object()  # noqa: SLF001 - as above
