"""Texts of organizations, keys, changes and turns are text on every page, never markup."""

from html.parser import HTMLParser

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from tests.background import flush_background
from tests.callers import Caller, new_caller
from tests.console.operator import Operator
from tests.turns import stateful

EVIL = "</title></script><script>x</script><img src=x onerror=x>\"'onload=x `{{7*7}}` **x**"
FOREIGN = {"script", "img", "iframe", "object", "embed", "style", "base"}


class _Reader(HTMLParser):
    """Collects elements that no page has, and attributes that run something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag] if tag in FOREIGN else []
        for name, value in attrs:
            is_run = name.startswith("on") or name in ("style", "srcdoc")
            is_far = name in ("href", "src", "action") and not (value or "").startswith(("/", "#"))
            self.found += [f"{tag} {name}={value}"] if is_run or is_far else []

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def caller(memory_app: Flask) -> Caller:
    """An organization of which every stored text is markup, as no release of ours writes it."""
    caller = new_caller(memory_app)
    emotion = {"primary": "joy", "confidence": 0.5}
    usage = {"llm_provider": "openai", "llm_model": "gpt-4o"}
    turn = stateful(usage=usage, inferred_emotional_state=emotion)
    assert caller.record(turn).status_code == 201
    assert caller("GET", "/v1/interactions?limit=0").status_code == 400
    flush_background(memory_app)
    with memory_app.app_context():
        stored = provided(Backend).database
        stored["organizations"].update_many({}, {"$set": {"name": EVIL}})
        stored["api_keys"].update_many({}, {"$set": {"label": EVIL, "hint": EVIL}})
        changed = {"reason": EVIL, "who": f"console:{EVIL}", "after": {"name": EVIL}}
        stored["audit"].update_many({}, {"$set": changed})
        kept = {"route": EVIL, "fields": [EVIL], "error_code": EVIL, "method": EVIL}
        stored["refused_requests"].update_many({}, {"$set": kept})
        texts = ("usage.llm_model", "usage.llm_provider", "inferred_emotional_state.primary")
        stored["interactions"].update_many({}, {"$set": dict.fromkeys(texts, EVIL)})
    return caller


def test_stored_texts_are_no_markup(caller: Caller, own_operator: Operator) -> None:
    path = f"/console/organizations/{caller.organization.id}"
    kept = own_operator.data("/console/requests.json")["newest"]["requests"]
    pages = [
        "/console",
        "/console/organizations",
        *(path, f"{path}?days=180d", f"{path}/change?turns=5"),
        *("/console/keys", f"/console/keys?rotate={caller.key_id}&revoke={caller.key_id}"),
        *("/console/requests", f"/console/requests/{kept[0]['id']}"),
        "/console/audit",
        "/console/find?q=script",
    ]
    seen = 0
    for page in pages:
        reader = _Reader()
        answer = own_operator.get(page)
        assert answer.status_code < 400, (page, answer.text)
        reader.feed(answer.text)
        assert reader.found == [], page
        seen += "<script>x</script>" in reader.text
    assert seen >= len(pages) - 2
