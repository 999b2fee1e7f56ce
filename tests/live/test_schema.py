"""Indexes and validators on the real database: compared, corrected, widened."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, WriteError

from app.backends.definitions import VALIDATOR
from app.backends.indexes import State
from app.interactions.validator import row_validator
from app.schema import DatabaseSchema, definitions
from tests.schema import make_schema
from tests.turns import body, new_account, row

Rows = Database[dict[str, Any]]
INTERACTIONS = "interactions"
OURS = row_validator()
# Validators of other releases: one more status, and one more field.
BEFORE = {"$jsonSchema": {"properties": {"status": {"enum": ["completed", "cancelled"]}}}}
NEWER = {"$jsonSchema": {"required": ["status"]}}


@pytest.fixture
def live_database(bare_database: Rows) -> Rows:
    return bare_database


def options_of(database: Rows) -> dict[str, Any]:
    (found,) = database.list_collections(filter={"name": INTERACTIONS})
    options: dict[str, Any] = found["options"]
    return options


def differences(database: Rows) -> dict[str, bool]:
    """Return the differences, each with True if it is missing."""
    found = DatabaseSchema(database, database).find_differences()
    return {each.path: each.is_missing for each in found}


def outcomes(database: Rows, *, tighten: bool = False) -> dict[str, tuple[State, str | None]]:
    """Return what a run has changed or could not change, with the next step."""
    made = DatabaseSchema(database, database).ensure(tighten=tighten)
    return {
        f"{each.collection}.{each.name}": (each.state, each.next_step)
        for each in made
        if each.state is not State.UNCHANGED or each.next_step
    }


def validate_by(database: Rows, validator: Any, level: str = "moderate") -> None:
    """Set another release's validator."""
    make_schema(database)
    database.command({"collMod": INTERACTIONS, "validator": validator, "validationLevel": level})


def is_taken(database: Rows, candidate: dict[str, Any]) -> bool:
    try:
        database[INTERACTIONS].insert_one(copy.deepcopy(candidate))
    except WriteError:
        return False
    return True


def good_row(**changes: Any) -> dict[str, Any]:
    return row(new_account(), body()) | changes


def test_a_new_collection_has_only_our_validator(live_database: Rows) -> None:
    assert set(differences(live_database).values()) == {True}

    made = outcomes(live_database)

    assert {state for state, _ in made.values()} == {State.CREATED}
    assert options_of(live_database) == {
        "validator": OURS,
        "validationLevel": "moderate",
        "validationAction": "error",
    }
    assert differences(live_database) == {}
    assert outcomes(live_database) == {}


def test_another_validator_is_widened_so_that_both_releases_can_write(
    live_database: Rows,
) -> None:
    validate_by(live_database, BEFORE, "strict")
    assert differences(live_database) == {"interactions.validator": False}

    for state in (State.CHANGED, State.UNCHANGED):
        (changed,) = outcomes(live_database).values()
        assert changed[0] is state
        assert "--tighten" in str(changed[1])
        assert options_of(live_database)["validator"] == {"$or": [OURS, BEFORE]}
    assert differences(live_database) == {}
    assert is_taken(live_database, good_row())
    assert is_taken(live_database, good_row(status="cancelled"))
    assert not is_taken(live_database, good_row(status="odd"))

    assert outcomes(live_database, tighten=True) == {
        "interactions.validator": (State.CHANGED, None)
    }
    assert options_of(live_database)["validator"] == OURS
    assert not is_taken(live_database, good_row(status="cancelled"))


def test_the_first_part_of_a_widened_validator_is_the_previous_release(live_database: Rows) -> None:
    validate_by(live_database, {"$or": [BEFORE, {"$jsonSchema": {}}]})

    outcomes(live_database)

    assert options_of(live_database)["validator"] == {"$or": [OURS, BEFORE]}


def test_a_newer_release_keeps_us_ready_and_a_roll_back_keeps_it_ready(
    live_database: Rows,
) -> None:
    validate_by(live_database, {"$or": [NEWER, OURS]})
    assert differences(live_database) == {}

    outcomes(live_database)

    assert options_of(live_database)["validator"] == {"$or": [OURS, NEWER]}


def test_a_tightened_newer_release_is_a_difference(live_database: Rows) -> None:
    validate_by(live_database, NEWER)
    assert differences(live_database) == {"interactions.validator": False}


@pytest.mark.parametrize(
    ("change", "is_missing"),
    [
        ({"validator": {}}, True),
        ({"validationLevel": "off"}, False),
        ({"validationLevel": "strict"}, False),
        ({"validationAction": "warn"}, False),
        ({"validator": {"$jsonSchema": {}}}, False),
    ],
)
def test_a_disabled_validator_is_found_and_enabled(
    live_database: Rows, change: dict[str, Any], is_missing: bool
) -> None:
    make_schema(live_database)
    live_database.command({"collMod": INTERACTIONS, **change})
    assert differences(live_database) == {"interactions.validator": is_missing}

    outcomes(live_database, tighten=True)

    assert differences(live_database) == {}
    assert not is_taken(live_database, good_row(text="hello there"))


def replace_index(database: Rows, name: str, keys: tuple[str, ...], **options: Any) -> None:
    rows = database[INTERACTIONS]
    rows.drop_index(name)
    rows.create_index([(key, ASCENDING) for key in keys], name=name, **options)


def test_an_existing_index_is_made_unique(live_database: Rows) -> None:
    make_schema(live_database)
    replace_index(live_database, "turn", ("account", "turn_key"))
    first = good_row()
    assert is_taken(live_database, first)
    assert differences(live_database) == {"interactions.turn": False}

    assert outcomes(live_database) == {"interactions.turn": (State.CHANGED, None)}

    assert differences(live_database) == {}
    with pytest.raises(DuplicateKeyError):
        live_database[INTERACTIONS].insert_one(first | {"_id": good_row()["_id"]})


@pytest.mark.parametrize("is_there", [True, False])
def test_duplicates_are_reported_and_kept_and_all_else_is_created(
    live_database: Rows, is_there: bool
) -> None:
    make_schema(live_database)
    rows = live_database[INTERACTIONS]
    replace_index(live_database, "turn", ("account", "turn_key"))
    first = good_row()
    second = first | {"_id": good_row()["_id"]}
    rows.insert_many([first, second])
    if not is_there:
        rows.drop_index("turn")
    rows.drop_index("list")

    made = outcomes(live_database)

    assert made.pop("interactions.list") == (State.CREATED, None)
    ((index, (state, step)),) = made.items()
    assert (index, state) == ("interactions.turn", State.BLOCKED)
    assert step is not None
    assert first["_id"] in step
    assert second["_id"] in step
    assert "flask --app wsgi db init" in step
    assert rows.count_documents({}) == 2
    rows.delete_one({"_id": second["_id"]})
    assert outcomes(live_database)["interactions.turn"][0] in {State.CREATED, State.CHANGED}
    assert differences(live_database) == {}


def break_keys(database: Rows) -> None:
    replace_index(database, "turn", ("turn_key", "account"), unique=True)


def break_partial_filter(database: Rows) -> None:
    replace_index(database, "open", ("account", "day", "open", "_id"))


def break_name(database: Rows) -> None:
    database[INTERACTIONS].drop_index("turn")
    keys = [("account", ASCENDING), ("turn_key", ASCENDING)]
    database[INTERACTIONS].create_index(keys, name="mine", unique=True)


@pytest.mark.parametrize(
    ("break_it", "name", "in_the_way"),
    [
        (break_keys, "turn", "turn"),
        (break_partial_filter, "open", "open"),
        (break_name, "turn", "mine"),
    ],
)
def test_an_index_that_must_be_rebuilt_is_reported_with_the_next_step(
    live_database: Rows, break_it: Callable[[Rows], None], name: str, in_the_way: str
) -> None:
    make_schema(live_database)
    break_it(live_database)
    assert set(differences(live_database)) == {f"interactions.{name}"}

    ((index, (state, step)),) = outcomes(live_database).items()

    assert (index, state) == (f"interactions.{name}", State.BLOCKED)
    assert f'db.interactions.dropIndex("{in_the_way}")' in str(step)
    live_database[INTERACTIONS].drop_index(in_the_way)
    assert outcomes(live_database) == {index: (State.CREATED, None)}


@pytest.mark.parametrize("setting", [{"expireAfterSeconds": 9_999}, {"hidden": True}])
def test_settings_of_an_index_are_corrected_without_a_build(
    live_database: Rows, setting: dict[str, Any]
) -> None:
    make_schema(live_database)
    live_database.command(
        {"collMod": INTERACTIONS, "index": {"name": "retention", **setting}},
    )
    assert differences(live_database) == {"interactions.retention": False}

    assert outcomes(live_database) == {"interactions.retention": (State.CHANGED, None)}

    assert differences(live_database) == {}


def test_unknown_indexes_are_not_changed(live_database: Rows) -> None:
    make_schema(live_database)
    live_database[INTERACTIONS].create_index([("status", ASCENDING)], name="reports")

    assert differences(live_database) == {}
    assert outcomes(live_database) == {}
    assert "reports" in live_database[INTERACTIONS].index_information()


@pytest.mark.parametrize(
    ("collection", "name"),
    [("api_keys", "lookup_1"), ("usage_daily", "day"), ("usage_period", "period")],
)
def test_every_collection_is_compared_and_corrected(
    live_database: Rows, collection: str, name: str
) -> None:
    make_schema(live_database)
    keys = live_database[collection].index_information()[name]["key"]
    live_database[collection].drop_index(name)
    live_database[collection].create_index(keys, name=name)
    index = f"{collection}.{name}"
    assert differences(live_database) == {index: False}

    assert outcomes(live_database) == {index: (State.CHANGED, None)}


def test_a_row_of_an_older_validator_is_archived_under_the_new_one(live_database: Rows) -> None:
    """Claim a row and set its `expires_at` although the validator refuses the row."""
    older_row = good_row(error_code="Older-Code", guardrails={"applied": ["two words"]})
    validate_by(live_database, {"$jsonSchema": {"required": ["status"]}})
    assert is_taken(live_database, older_row)
    outcomes(live_database, tighten=True)
    assert not is_taken(live_database, good_row(error_code="Older-Code"))
    rows = live_database[INTERACTIONS]
    expires_at = datetime(2027, 5, 1, tzinfo=UTC)

    rows.update_one({"_id": older_row["_id"]}, {"$set": {"open": 1}})
    change = {"$unset": {"open": ""}, "$set": {"expires_at": expires_at}}
    rows.update_one({"_id": older_row["_id"]}, change)

    (found,) = rows.find()
    assert found["expires_at"] == expires_at


def test_the_validator_has_a_name_that_no_index_has() -> None:
    assert VALIDATOR not in {name for each in definitions() for name in each.indexes}
