"""Documents that a driver could not decode, and odd types that only MongoDB accepts."""

from typing import Any

from bson import DatetimeMS
from flask import Flask
from pymongo.database import Database

from app.backends.backend import Backend
from app.http.application import provided
from tests.callers import new_caller
from tests.turns import body, stateful

Rows = Database[dict[str, Any]]
BEYOND_THE_CALENDAR = DatetimeMS(2**60)


def put(database: Rows, collection: str, chosen: Any, change: dict[str, Any]) -> None:
    found = database[collection].update_one(chosen, change, bypass_document_validation=True)
    assert found.modified_count == 1


def test_an_organization_with_an_impossible_instant_affects_no_other(
    live_app: Flask, live_database: Rows
) -> None:
    faulty, other = new_caller(live_app), new_caller(live_app)
    chosen = {"_id": faulty.organization.id}
    put(live_database, "organizations", chosen, {"$set": {"created_at": BEYOND_THE_CALENDAR}})
    run = live_app.test_cli_runner()

    listed = run.invoke(args=["org", "list"])
    suspended = run.invoke(args=["org", "suspend", faulty.organization.id])
    archived = run.invoke(args=["archive", "run"])

    assert (listed.exit_code, suspended.exit_code) == (0, 0)
    assert other.organization.id in listed.stdout
    assert "created_at" in listed.stderr
    found = live_database["organizations"].find_one(chosen, {"is_suspended": 1})
    assert found == chosen | {"is_suspended": True}
    assert "Traceback" not in archived.output
    assert other.list_().status_code == 200
    assert faulty.list_().status_code == 503


def test_a_turn_or_key_with_an_impossible_instant_is_returned_without_it_or_omitted(
    live_app: Flask, live_database: Rows
) -> None:
    caller = new_caller(live_app)
    assert caller.record(body()).status_code == 201
    made = caller("POST", "/v1/api-keys", json={"scope": "read"}).get_json()
    live_database.command({"collMod": "interactions", "validationLevel": "off"})
    put(live_database, "interactions", {}, {"$set": {"error_code": BEYOND_THE_CALENDAR}})
    put(
        live_database,
        "api_keys",
        {"_id": made["id"]},
        {"$set": {"expires_at": BEYOND_THE_CALENDAR}},
    )

    (item,) = caller.page()["data"]
    keys = caller("GET", "/v1/api-keys")

    assert item["error_code"] is None
    assert keys.status_code == 200
    assert made["id"] not in [key["id"] for key in keys.get_json()["data"]]


def test_a_relationship_of_an_odd_type_does_not_disable_the_quota(
    live_app: Flask, live_database: Rows
) -> None:
    caller = new_caller(live_app, turns=3)
    assert caller.record(stateful("rel_1")).status_code == 201
    live_database.command({"collMod": "interactions", "validationLevel": "off"})
    put(live_database, "interactions", {}, {"$set": {"relationship_id": ["rel_1"]}})
    with live_app.app_context():
        provided(Backend).redis.flushall()

    assert [caller.record(body()).status_code for _ in range(3)] == [201, 201, 429]
