"""Pages with their JSON twins: the check of each request, the common frame, errors as pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request
from werkzeug.http import HTTP_STATUS_CODES

from app.access import Access
from app.console import pages_in_flight, session
from app.console.errors import FormExpired, SessionMissing
from app.http.application import provided
from app.http.body import json_response
from app.http.current import current_request
from app.http.instants import format_datetime, utc_now
from app.http.problems import is_error
from app.policies import POLICIES, Door
from app.reference.assets import asset_path
from app.reference.frame import CONTENT_SECURITY_POLICY
from app.tenancy.key_format import redact
from config.version import VERSION

MAX_FORM_BYTES = 64 * 1024
REFRESH_S = 30
HOME = "/console"
LOGIN = "/console/login"
_TWIN = ".json"
_JSON = "application/json"

blueprint = Blueprint("console", __name__, template_folder="templates")


@dataclass(frozen=True, slots=True)
class Page:
    """A page: the file of its template below `templates/console`, and its data.

    `data` is plain: dict, list, str, int, float, bool and None. With `refresh_s` the page offers to
    load itself again each `refresh_s` seconds.

    `charts` are values of `app.console.charts` by name, made from `data`; twins leave them out.
    """

    template: str
    data: Mapping[str, Any]
    refresh_s: int | None = None
    status: int = 200
    charts: Mapping[str, Any] = field(default_factory=dict)


View = Callable[..., Page | Response]


def console_page(path: str) -> Callable[[View], View]:
    """Register a view at `/console{path}`, and its JSON twin at `/console{path}.json`.

    The endpoint of both is `console.NAME`, with the name of the view; it needs an entry in
    `app.policies.POLICIES`. Only requests with a session reach it.
    """

    def register(view: View) -> View:
        @wraps(view)
        def answer(**values: Any) -> Response:
            found = view(**values)
            return render(found) if isinstance(found, Page) else found

        for twin in ("", _TWIN):
            blueprint.add_url_rule(f"{HOME}{path}{twin}", view.__name__, answer, methods=["GET"])
        return view

    return register


def render(page: Page) -> Response:
    """Return the data as JSON at the address of a twin, and the page at any other."""
    if _is_twin():
        return json_response(page.data, page.status)
    text = render_template(
        f"console/{page.template}",
        page=page.data,
        charts=page.charts,
        frame=_frame(page),
        asset=asset_path,
    )
    response = Response(text, page.status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    if page.refresh_s is not None and _wants_refresh(page.refresh_s):
        response.headers["Refresh"] = str(page.refresh_s)
    session.keep_form_cookie(response)
    session.drop_note(response)
    return response


def go(path: str, note: str | None = None) -> Response:
    """Lead the browser to a page of the console with 303; it shows `note` once."""
    response = Response(status=303, headers={"Location": path})
    if note is not None:
        session.leave_note(response, note)
    return response


@blueprint.before_request
def require_entry() -> Response | None:
    """Require a session, and of a form its token.

    Requests without a session charge their address. Raises SessionMissing, FormExpired, and
    ConsoleBusy if many requests with a session are in flight.
    """
    asked = current_request()
    if asked.endpoint is None:  # a method that the path does not take: the router answers
        return None
    if POLICIES[asked.endpoint].door is Door.CONSOLE:
        if session.operator_name() is None:
            provided(Access).charge_address()
            return _ask_to_log_in()
        pages_in_flight.enter()
    if asked.method == "POST":
        asked.max_content_length = MAX_FORM_BYTES
        if not session.has_csrf_token():
            raise FormExpired
        asked.is_body_read = True
    return None


blueprint.teardown_request(pages_in_flight.leave)


@blueprint.after_request
def show_error_as_page(response: Response) -> Response:
    """Show the service's JSON error as a page, unless a twin was asked for."""
    if not is_error(response.status_code) or response.mimetype != _JSON or _is_twin():
        return response
    error = response.get_json()["error"]
    status = response.status_code
    data = {"status": status, "phrase": HTTP_STATUS_CODES[status], "error": error}
    # A screen that loads itself again goes on after an error that may pass.
    refresh_s = REFRESH_S if status in (429, 500, 503) else None
    page = render(Page("problem.html", data, refresh_s, status))
    for name in ("Allow", "Retry-After"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


def _ask_to_log_in() -> Response:
    if _is_twin():
        raise SessionMissing
    wanted = redact(_own_path()) if request.method == "GET" else HOME
    query = "" if wanted == HOME else f"?{urlencode({'next': wanted})}"
    return go(f"{LOGIN}{query}")


def _is_twin() -> bool:
    rule = request.url_rule
    return rule is not None and rule.rule.endswith(_TWIN)


def _own_path() -> str:
    """Return the path and the query of this request."""
    return request.full_path.rstrip("?")


def _wants_refresh(refresh_s: int) -> bool:
    return request.args.get("refresh") == str(refresh_s)


def _frame(page: Page) -> dict[str, Any]:
    """Return the values that every page has, whatever its data."""
    query = request.args.to_dict()
    refreshed = {**query, "refresh": str(page.refresh_s)}
    without = {name: value for name, value in query.items() if name != "refresh"}
    return {
        "operator": session.operator_name(),
        "csrf_token": session.csrf_token(),
        "note": session.take_note(),
        "theme": session.theme(),
        "as_of": page.data.get("as_of") or format_datetime(utc_now()),
        "path": request.path,
        "own": _own_path(),
        "twin": _with_query(f"{request.path}{_TWIN}", without),
        "refresh_s": page.refresh_s,
        "is_refreshing": page.refresh_s is not None and _wants_refresh(page.refresh_s),
        "refreshing": _with_query(request.path, refreshed),
        "still": _with_query(request.path, without),
        "version": VERSION,
    }


def _with_query(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
