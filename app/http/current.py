"""The request in hand and what is kept with it, themselves.

Flask's `request` and `g` look them up anew for each attribute. Where every request passes that adds
up; elsewhere they are what to use.
"""

from typing import Any

from flask import Request, g, request


def current_request() -> Request:
    """The request in hand."""
    proxy: Any = request
    found: Request = proxy._get_current_object()  # noqa: SLF001 - as its manual says
    return found


def current_notes() -> Any:
    """What `g` stands for: notes that hooks and views keep with the request in hand."""
    return g._get_current_object()  # noqa: SLF001 - as above
