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
# Forms of a console that has been turned off since are answered, too.
METHODS = ["GET", "POST"]

blueprint = Blueprint("console", __name__, template_folder="templates")
blueprint.after_request(frame.show_error_as_page)


@blueprint.route("/console", defaults={"rest": ""}, methods=METHODS)
@blueprint.route("/console/<path:rest>", methods=METHODS)
def unknown(rest: str) -> Response:
    """Charge the address, then answer 404 with a page that says how to turn the console on."""
    provided(Access).charge_address()
    raise ConsoleOff


def init_app(app: Flask) -> None:
    """Register the answer."""
    app.jinja_env.filters.update(FILTERS, marked=to_html)
    app.register_blueprint(blueprint)
