"""`/openapi.json` describes the routes; `/docs/errors` explains each error code."""

import flask
from flask import Flask, Response, render_template_string
from flask_smorest import Blueprint

from app.http.problems import CODES
from app.reference.document import document

blueprint = Blueprint("documentation", __name__, description="Pages, for people.")

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Turnledger: error codes</title>
<h1>Error codes</h1>
<p>Every error is <code>{"error": {"code", "message", "type", "request_id", "details",
"documentation_url"}}</code>. Decide by <code>code</code>; quote <code>request_id</code> when you
ask for help.</p>
<dl>
{% for code, kind in codes.items() %}
<dt id="{{ code }}"><code>{{ code }}</code> ({{ kind.status }}, {{ kind.type }})</dt>
<dd>{{ kind.meaning }}</dd>
{% endfor %}
</dl>
</html>
"""


@blueprint.get("/docs/errors")
@blueprint.response(200, description="A page.", content_type="text/html")
@blueprint.doc(security=[])
def errors() -> Response:
    """List every error code with its status and its meaning.

    A page for people.
    """
    page = Response(render_template_string(_PAGE, codes=CODES), mimetype="text/html")
    page.headers["Content-Security-Policy"] = "default-src 'none'"
    return page


def init_app(app: Flask, blueprints: tuple[Blueprint, ...]) -> None:
    """Register the routes of `blueprints` and the document that describes them."""
    published = flask.Blueprint("api-docs", __name__)

    @published.get("/openapi.json")
    def openapi_json() -> Response:
        return Response(document(blueprints), mimetype="application/json")

    for each in (published, *blueprints):
        app.register_blueprint(each)
