"""Words of the overview: the values of a change, and what an idle minute means."""

from flask import Flask

from app.audit.model import Author
from app.http.application import provided
from app.tenancy.service import Organizations
from tests.console.operator import log_in
from tests.turns import DAY_MS, now_ms


def test_a_change_of_limits_has_its_values(memory_app: Flask) -> None:
    with memory_app.app_context():
        service = provided(Organizations)
        made = service.create("Brook Tutoring", "free")
        by = Author("console:on-call-eu")
        service.change_limits(made.id, {"turns": 2_000}, by=by)
        service.change_limits(made.id, {"turns": 3_000}, until_ms=now_ms() + 9 * DAY_MS, by=by)
        service.suspend(made.id, by=by)
    operator = log_in(memory_app)

    _, temporary, own, _ = operator.data("/console.json")["changes"]["entries"]
    assert [(each["name"], each["after"]) for each in own["changes"]] == [("turns", "2,000")]
    assert [(each["after"], bool(each["until"])) for each in temporary["changes"]] == [
        ("3,000", True)
    ]
    page = operator.page("/console")
    assert "<ins>2,000</ins>" in page
    assert "<ins>3,000</ins> until" in page
    assert page.count("<ins>") == 2


def test_a_minute_without_any_request_is_explained(memory_app: Flask) -> None:
    page = log_in(memory_app).page("/console")
    assert "It reports requests, health checks among them" in page
