"""What platforms ask: alive, and ready for work."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.backends import Backend
from app.http.provide import provided
from app.interactions.store import COLLECTION as INTERACTIONS
from app.usage.store import COLLECTION as USAGE_DAYS
from tests.callers import Clock, hire
from tests.servers import OPERATOR_TOKEN
from tests.turns import DAY_MS, at


def test_ready_when_both_stores_answer_and_the_indexes_are_there(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ready",
        "stores": {"mongodb": "up", "redis": "up"},
        "archive": {"lag_s": 0, "sweep_age_s": None, "over_retained_turns": 0},
    }


@pytest.mark.parametrize("collection", [INTERACTIONS, USAGE_DAYS])
def test_not_ready_without_indexes_but_alive(
    app: Flask, client: FlaskClient, collection: str
) -> None:
    with app.app_context():
        provided(Backend).database.drop_collection(collection)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.get_json()["schema"]) == (503, "missing")
    assert client.get("/healthz").status_code == 200


def test_an_archive_that_is_late_shows_but_keeps_nobody_from_working(app: Flask) -> None:
    caller, clock = hire(app), Clock(app)
    caller.import_([at(clock.now_ms - 185 * DAY_MS)], recorded_at_us=clock.now_us)
    clock.move(s=600)

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json()["archive"] == {
        "lag_s": 600,
        "sweep_age_s": None,
        "over_retained_turns": 1,
    }


def test_metrics_are_told_without_indexes_too(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        provided(Backend).database.drop_collection(INTERACTIONS)

    answer = client.get("/metrics", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"})

    assert answer.status_code == 200
    assert "turnledger_requests_total" in answer.text
