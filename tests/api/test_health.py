"""What platforms ask: alive, and ready for work."""

from flask import Flask
from flask.testing import FlaskClient

from app.backends import Backend
from app.http.provide import provided
from app.interactions.store import COLLECTION


def test_ready_when_both_stores_answer_and_the_indexes_are_there(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ready", "stores": {"mongodb": "up", "redis": "up"}}


def test_not_ready_without_indexes_but_alive(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        provided(Backend).database.drop_collection(COLLECTION)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.get_json()["schema"]) == (503, "missing")
    assert client.get("/healthz").status_code == 200
