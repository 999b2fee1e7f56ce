"""Answer every request to a console that is off; nothing of its pages is imported for that."""

from flask import Blueprint, Flask, Response

from app.access import Access
from app.console import error_answers, frame
from app.console.errors import ConsoleOff
from app.console.formats import FILTERS
from app.http.application import provided
from app.reference.markup import to_html

# Importing the file registers the answer to `ConsoleOff`.
REGISTERED = (error_answers,)

blueprint = Blueprint("console", __name__, template_folder="templates")
blueprint.after_request(frame.show_error_as_page)


@blueprint.get("/console", defaults={"rest": ""})
@blueprint.get("/console/<path:rest>")
def unknown(rest: str) -> Response:
    """Charge the address, then answer 404 with a page that says how to turn the console on."""
    provided(Access).charge_address()
    raise ConsoleOff


def init_app(app: Flask) -> None:
    """Register the answer."""
    app.jinja_env.filters.update(FILTERS, marked=to_html)
    app.register_blueprint(blueprint)
