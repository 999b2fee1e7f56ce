"""Processes of two releases on one ledger, in both orders: each writes, and all is archived.

`previous_release` holds rows of the previous release, and describes how to regenerate them.
"""

from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database
from pymongo.errors import WriteError

from app.http.application import provided
from app.http.instants import day_of_ms
from app.interactions.ids import lowest_ulid
from app.schema import DatabaseSchema
from app.usage.archive import Archived, Archiver
from app.usage.store import UsageStore
from tests.callers import Caller, new_caller, readiness
from tests.schema import read_previous
from tests.servers import wait_until
from tests.turns import DAY_MS, body, now_ms, stateful, whole

Rows = Database[dict[str, Any]]
PREVIOUS: dict[str, Any] = read_previous("validator")
ROWS: list[dict[str, Any]] = read_previous("rows")
# Positions in `ROWS`: a row that lacks our fields and is valid otherwise, and one that also has a
# name that this release refuses.
STATEFUL, STRANGE_NAMED = 1, 6
# A validator of a release whose rows we do not accept.
STRANGE = {"$jsonSchema": {"required": ["flavour"]}}
EITHER = {"$jsonSchema": {"anyOf": [PREVIOUS["$jsonSchema"], STRANGE["$jsonSchema"]]}}
RULES = {"as it was": PREVIOUS, "wider than ours": {"$or": [PREVIOUS, STRANGE]}}


def previous_rows(account: str, age_ms: int = 0) -> list[dict[str, Any]]:
    """Return rows as the previous release writes them, for turns of that age."""
    at_ms = now_ms() - age_ms
    moved = {"account": account, "day": day_of_ms(at_ms)}
    return [found | moved | {"_id": lowest_ulid(at_ms)[:10] + found["turn_key"]} for found in ROWS]


@pytest.fixture
def caller(live_app: Flask) -> Caller:
    return new_caller(live_app)


def validate_as_before(database: Rows, validator: Any = PREVIOUS) -> None:
    """Set a validator as the `db init` of the previous release does."""
    change = {"validator": validator, "validationLevel": "strict", "validationAction": "error"}
    database.command({"collMod": "interactions", **change})


def init(app: Flask, *words: str) -> str:
    typed = app.test_cli_runner().invoke(args=["db", "init", *words])
    assert typed.exit_code == 0, typed.output
    return typed.stderr


def archive(app: Flask) -> Archived:
    with app.app_context():
        archived = Archiver(provided(UsageStore)).run()
    assert archived.is_whole
    return archived


def test_before_db_init_our_code_is_not_ready_and_its_turns_are_refused_and_cost_nothing(
    live_app: Flask, live_database: Rows, caller: Caller
) -> None:
    """Refuse rows with fields that the validator of the previous release does not know."""
    validate_as_before(live_database)
    turn = body()

    assert live_app.test_client().get("/readyz").status_code == 503
    assert caller.record(turn).status_code == 500
    assert caller.counters()["turns_used"] == 0

    init(live_app)
    assert readiness(live_app).status_code == 200
    assert caller.record(turn).status_code == 201
    assert caller.counters()["turns_used"] == 1


def test_our_code_works_beside_rows_of_the_previous_release(
    live_app: Flask, live_database: Rows, caller: Caller
) -> None:
    validate_as_before(live_database)
    live_database["interactions"].insert_many(previous_rows(caller.account))
    init(live_app)
    turns = [body(), stateful(), whole()]

    assert [caller.record(each).status_code for each in turns] == [201] * 3
    assert [caller.record(each).status_code for each in turns] == [200] * 3
    assert archive(live_app).turns == 3 + len(ROWS)
    assert len(caller.list_all()) == 3 + len(ROWS)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_the_previous_release_works_with_our_validator(
    live_app: Flask, live_database: Rows, caller: Caller, rule: Any
) -> None:
    validate_as_before(live_database, rule)
    init(live_app)
    rows = previous_rows(caller.account)

    live_database["interactions"].insert_many(rows)

    assert caller.record(body()).status_code == 201
    assert {item["interaction_id"] for item in caller.list_all()} >= {
        f"int_{r['_id']}" for r in rows
    }
    assert archive(live_app).turns == 1 + len(rows)
    answer = caller("GET", "/v1/interactions/aggregates").get_json()["data"]
    assert sum(bucket["total_turns"] for bucket in answer) == 1 + len(rows)


def test_rows_of_the_previous_release_are_archived_and_expire_after_tightening(
    live_app: Flask, live_database: Rows, caller: Caller
) -> None:
    """Archive rows that only our validator refuses; one of them lacks a required field."""
    rows = previous_rows(caller.account, age_ms=182 * DAY_MS)
    lacking = {**rows[0], "flavour": "sweet"}
    del lacking["guardrails"]
    validate_as_before(live_database, EITHER)
    assert "--tighten" in init(live_app)
    interactions = live_database["interactions"]
    interactions.insert_many([*rows[1:], lacking])

    assert "--tighten" not in init(live_app, "--tighten")
    with pytest.raises(WriteError):
        interactions.insert_one(lacking | {"_id": lowest_ulid(now_ms()), "turn_key": "0" * 16})
    assert archive(live_app) == Archived(turns=len(rows), days=1)
    # The database's expiry pass, once a second.
    wait_until(lambda: interactions.count_documents({}) == 0, timeout_s=30)


ERASURE: dict[str, Any] = {"user_id": None, "relationship_id": None, "erased": True}
WITH_ADDED = ERASURE | {"uncharged": 0, "key_id": None}


def test_until_it_is_tightened_a_row_of_the_previous_release_is_erased_with_all_our_fields(
    live_app: Flask, live_database: Rows, caller: Caller
) -> None:
    """Erase rows that one of the two validators accepts; after tightening neither checks them."""
    validate_as_before(live_database)
    interactions = live_database["interactions"]
    stored = previous_rows(caller.account)
    interactions.insert_many(stored)
    plain, strange = ({"_id": stored[number]["_id"]} for number in (STATEFUL, STRANGE_NAMED))
    init(live_app)

    for chosen, change in ((plain, ERASURE), (strange, ERASURE), (strange, WITH_ADDED)):
        with pytest.raises(WriteError):
            interactions.update_one(chosen, {"$set": change})
    interactions.update_one(plain, {"$set": WITH_ADDED})
    init(live_app, "--tighten")
    interactions.update_one(strange, {"$set": ERASURE})

    shown = {item["interaction_id"] for item in caller.list_all()}
    assert shown == {f"int_{row['_id']}" for row in stored} - {
        *(f"int_{chosen['_id']}" for chosen in (plain, strange))
    }
    assert archive(live_app).turns == len(ROWS)


def test_the_previous_release_stays_ready_while_the_next_one_is_rolled_out(
    live_app: Flask, live_database: Rows
) -> None:
    """Stay ready with the validator of the next release, in which ours is the second part."""
    with live_app.app_context():
        schema = provided(DatabaseSchema)
    (found,) = live_database.list_collections(filter={"name": "interactions"})
    ours = found["options"]["validator"]
    live_database.command({"collMod": "interactions", "validator": {"$or": [STRANGE, ours]}})

    assert schema.find_differences() == []
    assert live_app.test_client().get("/readyz").status_code == 200
    assert new_caller(live_app).record(body()).status_code == 201
