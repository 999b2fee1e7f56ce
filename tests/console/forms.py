"""Read the forms of a page and send them as a browser would."""

from html.parser import HTMLParser

from werkzeug.test import TestResponse

from tests.console.operator import Operator

Fields = dict[str, list[str]]


class _Forms(HTMLParser):
    """Collects the fields of the POST forms of a page: inputs, chosen options and checked boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Fields] = []
        self._select = ""
        self._takes_text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append({})
        elif not self.forms:
            return
        elif tag == "select":
            self._select = given["name"] or ""
        elif tag == "option" and "selected" in given:
            self.forms[-1][self._select] = [given.get("value") or ""]
            self._takes_text = "value" not in given
        elif tag in ("input", "textarea") and _is_sent(given):
            fields = self.forms[-1].setdefault(str(given["name"]), [])
            fields.append(given.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self._takes_text:
            self.forms[-1][self._select] = [data]
            self._takes_text = False


def _is_sent(given: dict[str, str | None]) -> bool:
    """Return True unless this is a box that is not checked."""
    return "name" in given and (given.get("type") != "checkbox" or "checked" in given)


def form_of(page: str, name: str) -> Fields:
    """Return the fields of the form with this name in its hidden field `form`."""
    reader = _Forms()
    reader.feed(page)
    (found,) = [fields for fields in reader.forms if fields.get("form") == [name]]
    return found


def send(operator: Operator, page: str, name: str, **changes: str | list[str]) -> TestResponse:
    """Send a form of a page with some fields changed; follow no redirection."""
    fields: dict[str, str | list[str]] = {**form_of(page, name), **changes}
    return operator.client.post("/console/keys", data=fields)
