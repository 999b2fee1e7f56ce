"""Register the console: its pages, its log-in, its filters, and an answer to all other paths."""

from flask import Flask, Response

from app.console import (
    audit_routes,
    change_routes,
    error_answers,
    find_routes,
    keys_routes,
    organization_routes,
    overview_routes,
    pages_in_flight,
    request_routes,
    session_routes,
    shared_reads,
)
from app.console.errors import PageUnknown
from app.console.formats import FILTERS
from app.console.frame import blueprint
from app.reference.markup import to_html
from config.settings import Settings

# Importing a file registers its pages, or its answers to errors.
REGISTERED = (
    error_answers,
    session_routes,
    overview_routes,
    organization_routes,
    change_routes,
    keys_routes,
    request_routes,
    audit_routes,
    find_routes,
)


@blueprint.get("/console/<path:rest>")
def unknown(rest: str) -> Response:
    """Answer 404 with a page, for paths that no page has."""
    raise PageUnknown


def init_app(app: Flask, settings: Settings) -> None:
    """Register the console."""
    app.jinja_env.filters.update(FILTERS, marked=to_html)
    shared_reads.init_app(app)
    pages_in_flight.init_app(app, settings)
    app.register_blueprint(blueprint)
