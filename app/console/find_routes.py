"""Lead from whatever an operator pasted to its page."""

from flask import Response, request

from app.console.find_data import FindData
from app.console.frame import Page, console_page, go
from app.console.ledger_time import now
from app.console.redaction import without_keys
from app.http.application import provided
from app.interactions.store import InteractionStore
from app.tenancy.directory.service import Directory


@console_page("/find")
def find() -> Page | Response:
    """Lead to the one page that `q` names, or list several; 404 if there is none."""
    given = request.args.get("q", "")
    found = FindData(provided(Directory), provided(InteractionStore), now).find(given)
    if isinstance(found, str):
        return go(found)
    return without_keys() or Page("find.html", found, status=200 if found["is_found"] else 404)
