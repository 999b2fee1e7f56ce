"""What platforms ask: alive, and ready for work."""

from flask import Flask
from flask.testing import FlaskClient

from app.backends import Backend
from app.http.provide import provided
from app.interactions.store import COLLECTION
from tests.callers import Clock, hire
from tests.servers import OPERATOR_TOKEN
from tests.turns import DAY_MS, at


def test_ready_when_both_stores_answer_and_the_indexes_are_there(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ready",
        "stores": {"mongodb": "up", "redis": "up"},
        "archive": {"lag_s": 0, "over_retained_turns": 0},
    }


def test_not_ready_without_indexes_but_alive(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        provided(Backend).database.drop_collection(COLLECTION)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.get_json()["schema"]) == (503, "missing")
    assert client.get("/healthz").status_code == 200


def test_an_archive_that_is_late_shows_but_keeps_nobody_from_working(app: Flask) -> None:
    caller, clock = hire(app), Clock(app)
    caller.import_([at(clock.now_ms - 185 * DAY_MS)], recorded_at_us=clock.now_us)
    clock.move(s=600)

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json()["archive"] == {"lag_s": 600, "over_retained_turns": 1}


def test_metrics_are_told_without_indexes_too(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        provided(Backend).database.drop_collection(COLLECTION)

    answer = client.get("/metrics", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"})

    assert answer.status_code == 200
    assert "turnledger_requests_total" in answer.text
