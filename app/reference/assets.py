"""Serve the files of the pages: our styles, the icon, and Swagger UI from its wheel.

The address of a file holds the digest of its content, so browsers may keep it for a year. During a
deployment a page of one release may ask a worker of another: it gets the file of that worker, and
the browser asks again next time.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from app.http.compression import accepts_gzip
from app.http.current import current_request

_OWN, _CONSOLE, _SWAGGER_UI = "app.reference", "app.console", "flask_swagger_ui"
_SOURCES = {
    "ledger.css": (_OWN, "static", "text/css"),
    "console.css": (_CONSOLE, "static", "text/css"),
    "reference.css": (_OWN, "static", "text/css"),
    "reference.js": (_OWN, "static", "text/javascript"),
    "mark.svg": (_OWN, "static", "image/svg+xml"),
    "swagger-ui.css": (_SWAGGER_UI, "dist", "text/css"),
    "swagger-ui-bundle.js": (_SWAGGER_UI, "dist", "text/javascript"),
}
# A larger file is sent in gzip only. Granian keeps an answer in memory until its client has read
# it, and files are not limited: thousands of clients could ask for 1.7 MB each, and read nothing.
# Every browser reads gzip, also where a proxy has removed `Accept-Encoding`.
MOST_PLAIN_BYTES = 256 * 1024
_KEPT_FOR_A_YEAR = "public, max-age=31536000, immutable"

blueprint = Blueprint("assets", __name__)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and in gzip."""

    body: bytes
    packed: bytes
    digest: str
    mimetype: str


@cache
def read_asset(name: str) -> Asset:
    """Read a file once in a process, at the first request for it or for a page that names it."""
    package, folder, mimetype = _SOURCES[name]
    body = (files(package) / folder / name).read_bytes()
    if package == _SWAGGER_UI and mimetype == "text/css":
        # Rules outside of a layer win, so that ours need not repeat its long selectors.
        body = b"@layer swagger-ui {%b}" % body
    # Once, not for each visit: Swagger UI has 1.7 MB.
    packed = gzip.compress(body, mtime=0)
    return Asset(body, packed, sha256(body).hexdigest()[:16], mimetype)


def asset_path(name: str) -> str:
    """Return the path of a file, for templates."""
    return f"/static/{read_asset(name).digest}/{name}"


@blueprint.get("/static/<digest>/<name>")
def static(digest: str, name: str) -> Response:
    """Return a file; only the current address may be cached."""
    if name not in _SOURCES:
        raise NotFound
    asset = read_asset(name)
    accepted = current_request().environ.get("HTTP_ACCEPT_ENCODING", "")
    is_packed = len(asset.body) > MOST_PLAIN_BYTES or accepts_gzip(accepted)
    response = Response(asset.packed if is_packed else asset.body, mimetype=asset.mimetype)
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = _KEPT_FOR_A_YEAR if digest == asset.digest else "no-cache"
    return response
