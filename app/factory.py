"""Make the Flask application from its rooms."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, wiring
from app.accounts import routes as accounts
from app.backends import latency
from app.backends.backend import Backend
from app.backends.outages import is_outage
from app.backends.time_limits import bounded, budget_s
from app.error_answers import find_problem
from app.http import application, cors, current, errors
from app.http.forwarded import ForwardedScheme
from app.interactions import routes as interactions
from app.observability import answers, health, logging, metrics
from app.observability.collecting import AnswerCollector
from app.observability.tracing import start_tracing
from app.otlp import routes as otlp
from app.reference import routes as reference
from app.reservations import routes as reservations
from app.serving.shared import close_connection
from app.usage import routes as usage
from config.settings import Settings

# Routes with fixed paths come before those with parameters at the same position.
_ROOMS = (accounts, usage, reservations, interactions, otlp, health, metrics)


def build(settings: Settings, backend: Backend | None) -> Flask:
    """Make the application; see `app.create_app`."""
    app = application.Application("app")
    logging.configure(settings.log_level)
    services = wiring.build(settings, backend)
    cors.init_app(app, settings.cors_allowed_origins)
    current.init_app(app, bounded, budget_s(settings.mongodb_timeout_ms), close_connection)
    errors.init_app(
        app,
        settings.documentation_url,
        find_problem,
        is_outage=is_outage,
        note_outage=services.backend.note_outage,
    )
    # Functions run after a request in the reverse order. So the log line is written once the door
    # and the routes have completed the answer; after it, hooks that are registered above only add
    # headers.
    line_writer = answers.line_writer(settings.log_level)
    rooms = services.rooms
    collector = AnswerCollector([rooms.minutes.counter, *rooms.request_log.consumers])
    app.provide([*services.all(), collector])
    watchers = _trace(app, settings.otel_exporter_otlp_endpoint)
    answers.init_app(app, [answers.count, line_writer, *watchers], collector)
    reference.init_app(app, tuple(room.blueprint for room in _ROOMS))
    _add_console(app, settings)
    application.init_app(app)
    services.access.init_app(app)
    cli.register(app)
    _trust_proxies(app, settings.trusted_proxy_hops)
    return app


def _trace(app: application.Application, endpoint: str) -> list[answers.Watcher]:
    """Trace requests and their calls to the stores; return the watchers that this needs."""
    tracing = start_tracing(endpoint)
    latency.observe_calls([tracing.note_call] if tracing else [])
    if tracing is None:
        return []
    app.services[type(tracing)] = tracing
    app.wsgi_app = tracing.wrap(app.wsgi_app)  # type: ignore[method-assign, assignment]
    return [tracing.note_answer]


def _add_console(app: Flask, settings: Settings) -> None:
    """Register the console, or the answer that it is off."""
    # A service without a console saves the time and the memory that its pages take.
    if settings.operator_token:
        from app.console import routes

        routes.init_app(app, settings)
    else:
        from app.console import off

        off.init_app(app)


def _trust_proxies(app: Flask, hops_count: int) -> None:
    """Trust `X-Forwarded-*` of the last `hops_count` proxies before the service."""
    if hops_count:
        addressed = ProxyFix(app.wsgi_app, x_for=hops_count, x_proto=0, x_host=0)
        app.wsgi_app = ForwardedScheme(addressed, hops_count)  # type: ignore[method-assign]
