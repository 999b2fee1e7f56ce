"""Render a page in the common frame, with the headers that every page has."""

from typing import Any

from flask import Response, render_template

from app.reference.assets import asset_path
from config.version import VERSION

# Strict: no script, no inline style, no other host, no frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def render_page(
    template: str, *, content_security_policy: str = CONTENT_SECURITY_POLICY, **values: Any
) -> Response:
    """Return the page of a template that extends `frame.html`."""
    text = render_template(template, asset=asset_path, version=VERSION, **values)
    response = Response(text, mimetype="text/html")
    response.headers["Content-Security-Policy"] = content_security_policy
    response.headers["Referrer-Policy"] = "no-referrer"
    # A page names its files by digest: a page of an earlier release must not outlive it.
    response.headers["Cache-Control"] = "no-cache"
    return response
