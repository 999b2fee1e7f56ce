"""The pages for people: the start page, the interactive reference, and the error codes."""

import json
from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound
from werkzeug.http import HTTP_STATUS_CODES

from app.http.accept import prefers_page
from app.http.application import provided
from app.http.body import json_response
from app.http.current import current_request
from app.http.errors import base_url
from app.http.instants import utc_now
from app.http.problems import CODES
from app.observability.health import find_readiness
from app.reference.error_texts import read_error_text
from app.reference.examples import error_exchange
from app.reference.frame import CONTENT_SECURITY_POLICY, render_page
from app.reference.overview import list_operations, list_plans
from app.reference.readiness import describe_readiness
from config.settings import Settings
from config.version import VERSION

# Swagger UI's script reads the document, and its styles draw arrows as `data:` images.
_WITH_SWAGGER_UI = CONTENT_SECURITY_POLICY.replace(
    "img-src 'self'", "img-src 'self' data:; script-src 'self'; connect-src 'self'"
)
_LINKS = {
    "reference": "/docs",
    "errors": "/docs/errors",
    "openapi": "/openapi.json",
    "plans": "/v1/billing/plans",
    "health": "/healthz",
    "readiness": "/readyz",
}

blueprint = Blueprint("pages", __name__, template_folder="templates")


@blueprint.get("/")
def start() -> Response:
    """Return the start page to browsers, and its links as JSON to programs."""
    answer, _ = find_readiness()
    is_page = prefers_page(current_request().environ.get("HTTP_ACCEPT", ""))
    response = _start_page(answer) if is_page else _start_links(answer)
    response.headers["Vary"] = "Accept"
    return response


@blueprint.get("/docs")
def reference() -> Response:
    """Return the page on which Swagger UI shows `/openapi.json`."""
    return render_page("reference.html", content_security_policy=_WITH_SWAGGER_UI)


@blueprint.get("/docs/errors")
def errors() -> Response:
    """List every error code; `#CODE` scrolls to one."""
    return render_page("errors.html", codes=CODES)


@blueprint.get("/docs/errors/<code>")
def error(code: str) -> Response:
    """Explain one error code."""
    if code not in CODES:
        raise NotFound
    example = error_exchange(code)
    return render_page(
        "error.html",
        code=code,
        codes=CODES,
        phrase=HTTP_STATUS_CODES[CODES[code].status],
        text=read_error_text(code),
        example=example,
        body=json.dumps(example["response"]["body"], indent=2),
    )


def _start_page(answer: dict[str, Any]) -> Response:
    return render_page(
        "start.html",
        base_url=base_url() or "https://ledger.example",
        now=utc_now(),
        codes=CODES,
        operations=list_operations(),
        plans=list_plans(),
        readiness=describe_readiness(answer),
        has_console=bool(provided(Settings).operator_token),
    )


def _start_links(answer: dict[str, Any]) -> Response:
    own = base_url()
    links = {name: f"{own}{path}" for name, path in _LINKS.items()}
    payload = {"name": "Turnledger", "version": VERSION, "status": answer["status"]}
    response = json_response(payload | {"links": links})
    response.headers["Cache-Control"] = "no-cache"
    return response
