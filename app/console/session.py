"""Sessions of operators in a signed cookie, and the tokens that protect their forms.

The key of the signatures is made from `OPERATOR_TOKEN`, so a new token ends every session. Nothing
is stored on the server: a log-out makes the browser forget its cookie.

Forms carry a token that belongs to the session. The forms of the log-in page have no session yet:
theirs belongs to a random cookie.
"""

import hmac
import secrets
from functools import cache

from flask import Response, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.audit.model import Author, AuthorKind
from app.http.application import provided
from app.http.current import current_request
from config.settings import Settings

SESSION_COOKIE = "turnledger_console"
FORM_COOKIE = "turnledger_form"
THEME_COOKIE = "turnledger_theme"
NOTE_COOKIE = "turnledger_note"
# Not `/console`: browsers would leave the cookies out at `/console.json`.
PATH = "/"
LASTS_S = 12 * 3_600
NOTE_LASTS_S = 60
CSRF_FIELD = "csrf_token"
THEMES = ("auto", "light", "dark")
_YEAR_S = 365 * 24 * 3_600


def is_operator_token(given: str) -> bool:
    """Return True if `given` is the operator token."""
    expected = provided(Settings).operator_token.encode()
    return hmac.compare_digest(given.encode(errors="replace"), expected)


def operator_name() -> str | None:
    """Return the name that the operator gave at the log-in; None without a valid session."""
    found = _read(SESSION_COOKIE, "session", LASTS_S)
    return None if found is None else found.partition(" ")[0]


def author(reason: str) -> Author:
    """Return the operator as the author of a change; raises InvalidFields for a bad reason."""
    return Author(f"{AuthorKind.CONSOLE}:{operator_name()}", reason.strip() or None)


def open_session(response: Response, name: str) -> None:
    """Set the cookie of a new session of `name`."""
    # The random part keeps two sessions of a second apart, and with them the tokens of their forms.
    value = f"{name} {secrets.token_urlsafe(12)}"
    _set(response, SESSION_COOKIE, _signer("session").dumps(value), LASTS_S)


def close_session(response: Response) -> None:
    """Make the browser forget the session."""
    response.delete_cookie(SESSION_COOKIE, path=PATH)


def csrf_token() -> str:
    """Return the token for the forms of this page."""
    if operator_name() is not None:
        return _token_of(request.cookies[SESSION_COOKIE])
    if FORM_COOKIE not in request.cookies and "console_form" not in g:
        g.console_form = secrets.token_urlsafe(24)
    return _token_of(g.get("console_form") or request.cookies[FORM_COOKIE])


def keep_form_cookie(response: Response) -> None:
    """Set the cookie that the token of a page without a session belongs to, if it is new."""
    if "console_form" in g:
        _set(response, FORM_COOKIE, g.console_form, LASTS_S)


def has_csrf_token() -> bool:
    """Return True if the form of this request carries its token."""
    cookie = SESSION_COOKIE if operator_name() is not None else FORM_COOKIE
    if cookie not in request.cookies:
        return False
    given = request.form.get(CSRF_FIELD, "")
    return hmac.compare_digest(given.encode(errors="replace"), csrf_token().encode())


def theme() -> str:
    """Return the chosen theme; `auto` follows the system."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]


def choose_theme(response: Response, chosen: str) -> None:
    """Keep the theme for a year."""
    _set(response, THEME_COOKIE, chosen, _YEAR_S)


def leave_note(response: Response, text: str) -> None:
    """Show `text` once, on the page that `response` leads to."""
    _set(response, NOTE_COOKIE, _signer("note").dumps(text), NOTE_LASTS_S)


def take_note() -> str | None:
    """Return the note that the last answer left; None if there is none."""
    return _read(NOTE_COOKIE, "note", NOTE_LASTS_S)


def drop_note(response: Response) -> None:
    """Make the browser forget a note that it sent."""
    if NOTE_COOKIE in request.cookies:
        response.delete_cookie(NOTE_COOKIE, path=PATH)


def _set(response: Response, name: str, value: str, lasts_s: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=lasts_s,
        path=PATH,
        secure=current_request().scheme == "https",
        httponly=True,
        samesite="Strict",
    )


def _read(cookie: str, purpose: str, lasts_s: int) -> str | None:
    try:
        value = _signer(purpose).loads(request.cookies.get(cookie, ""), max_age=lasts_s)
    except BadSignature:
        return None
    return value if isinstance(value, str) else None


def _token_of(value: str) -> str:
    key = _derived(provided(Settings).operator_token, "form")
    return hmac.digest(key, value.encode(errors="replace"), "sha256").hex()


def _signer(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_derived(provided(Settings).operator_token, purpose))


@cache
def _derived(token: str, purpose: str) -> bytes:
    return hmac.digest(token.encode(), f"turnledger console {purpose}".encode(), "sha256")
