"""Log in, log out, and choose the theme."""

import re
from typing import Any

from flask import Response, request

from app.admission.login_limits import LoginLimits
from app.console import session
from app.console.frame import HOME, LOGIN, Page, blueprint, go, render
from app.http.application import provided
from app.http.current import client_address

_NAME = re.compile(r"[a-z0-9.\-]{2,32}", re.ASCII)
# A path of the console with a query: never another host.
_OWN_PATH = re.compile(r"/console(?:[/?.][A-Za-z0-9_.~%=&?/@:+-]*)?", re.ASCII)


@blueprint.route(LOGIN, methods=["GET", "POST"])
def log_in() -> Response:
    """Show the form; with a right token, open a session and lead to the page that was wanted.

    Browsers leave the cookie out when they come from another site. Once they send it, a session is
    not asked for again.
    """
    if request.method == "GET":
        has_session = session.operator_name() is not None
        return go(own_path(request.args.get("next", ""))) if has_session else _form()
    wait_s = provided(LoginLimits).wait_s(client_address())
    if wait_s:
        return _limited(wait_s)
    name = request.form.get("name", "").strip()
    if not session.is_operator_token(request.form.get("token", "")):
        provided(LoginLimits).note_wrong_token(client_address())
        return _form({"token": "This is not the operator token."}, 403)
    if _NAME.fullmatch(name) is None:
        return _form({"name": "Write a name of 2 to 32 of a-z 0-9 . - first."}, 400)
    response = go(own_path(request.form.get("next", "")))
    session.open_session(response, name)
    return response


@blueprint.post("/console/logout")
def log_out() -> Response:
    """Close the session."""
    response = go(LOGIN)
    session.close_session(response)
    return response


@blueprint.post("/console/theme")
def choose_theme() -> Response:
    """Keep the chosen theme, and lead back to the page."""
    response = go(own_path(request.form.get("back", "")))
    chosen = request.form.get("theme", "")
    if chosen in session.THEMES:
        session.choose_theme(response, chosen)
    return response


def own_path(wanted: str) -> str:
    """Return `wanted` if it is a page of the console, and the overview otherwise."""
    return wanted if _OWN_PATH.fullmatch(wanted) else HOME


def _form(problems: dict[str, str] | None = None, status: int = 200) -> Response:
    values: dict[str, Any] = request.values
    data = {
        "problems": problems or {},
        "name": request.form.get("name", "")[:32],
        "next": own_path(values.get("next", "")),
    }
    return render(Page("login.html", data, status=status))


def _limited(wait_s: int) -> Response:
    seconds = "1 second" if wait_s == 1 else f"{wait_s} seconds"
    text = f"Too many wrong tokens from your address. Try again in {seconds}."
    response = _form({"token": text}, 429)
    response.headers["Retry-After"] = str(wait_s)
    return response
