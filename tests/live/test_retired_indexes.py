"""An index that this release replaces: kept beside the new one, dropped by `--tighten`."""

from typing import Any

import pytest
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

from app.backends.definitions import VALIDATOR, find_differences
from app.backends.indexes import Outcome, State, ensure_indexes
from app.interactions.store import INDEXES, RETIRED_INDEXES
from app.schema import DatabaseSchema, definitions
from tests.schema import PREVIOUS, make_previous_schema, make_schema, models_of, read_previous

Rows = Database[dict[str, Any]]
INTERACTIONS = "interactions"
REPORTS = "reports"


@pytest.fixture
def ledger(bare_database: Rows) -> Rows:
    """The ledger of the previous release with its rows, and an index of an operator's own."""
    make_previous_schema(bare_database)
    bare_database[INTERACTIONS].insert_many(read_previous("rows"))
    bare_database[INTERACTIONS].create_index([("status", ASCENDING)], name=REPORTS)
    return bare_database


def init(database: Rows, *, tighten: bool = False) -> dict[str, Outcome]:
    """Run `flask db init`; return what it says of the ledger's indexes unless it is unchanged."""
    found = DatabaseSchema(database, database).ensure(tighten=tighten)
    return {
        each.name: each
        for each in found
        if each.collection == INTERACTIONS
        and each.name != VALIDATOR
        and each.state is not State.UNCHANGED
    }


def names(database: Rows) -> set[str]:
    return set(database[INTERACTIONS].index_information()) - {"_id_"}


def missed_by_the_previous_release(database: Rows) -> dict[str, bool]:
    return {each.name: each.is_missing for each in find_differences(database, [PREVIOUS])}


def test_a_retired_index_is_one_of_the_previous_release_and_none_of_this_one() -> None:
    assert RETIRED_INDEXES.keys() == PREVIOUS.indexes.keys() - INDEXES.keys()
    for name, (keys, options) in RETIRED_INDEXES.items():
        assert ([*keys], dict(options)) == tuple(PREVIOUS.indexes[name])


def test_the_new_index_is_built_beside_the_retired_one_which_is_named(ledger: Rows) -> None:
    for state in (State.CREATED, None):
        found = init(ledger)

        assert {name: each.state for name, each in found.items()} == {
            "quota": State.RETIRED,
            **({"period": state} if state else {}),
        }
        assert "quota" in str(found["quota"].next_step)
        assert "flask --app wsgi db init --tighten" in str(found["quota"].next_step)
    assert names(ledger) == {*INDEXES, "quota", REPORTS}


def test_until_it_is_tightened_the_previous_release_misses_nothing(ledger: Rows) -> None:
    init(ledger)
    assert missed_by_the_previous_release(ledger) == {}

    init(ledger, tighten=True)
    assert missed_by_the_previous_release(ledger) == {"quota": True, VALIDATOR: False}


def test_tightening_drops_the_retired_index_and_no_other(ledger: Rows) -> None:
    init(ledger)

    dropped = init(ledger, tighten=True)

    assert dropped == {"quota": Outcome(INTERACTIONS, "quota", State.DROPPED)}
    assert names(ledger) == {*INDEXES, REPORTS}
    assert init(ledger, tighten=True) == {}


def test_a_first_run_that_tightens_builds_the_new_index_before_it_drops_the_old_one(
    ledger: Rows,
) -> None:
    found = init(ledger, tighten=True)

    assert [(name, each.state) for name, each in found.items()] == [
        ("period", State.CREATED),
        ("quota", State.DROPPED),
    ]


def test_a_roll_back_after_tightening_builds_the_index_again(ledger: Rows) -> None:
    init(ledger, tighten=True)

    (built,) = [
        each
        for each in ensure_indexes(ledger, PREVIOUS, lambda line: None)
        if each.state is not State.UNCHANGED
    ]

    assert (built.name, built.state) == ("quota", State.CREATED)
    assert names(ledger) == {*INDEXES, "quota", REPORTS}
    assert missed_by_the_previous_release(ledger) == {VALIDATOR: False}
    # And so does the next upgrade: nothing is lost by going back and forth.
    assert init(ledger).keys() == {"quota"}


def test_the_retired_index_stays_while_its_successor_cannot_be_built(ledger: Rows) -> None:
    ledger[INTERACTIONS].create_index([("day", ASCENDING)], name="period")

    found = init(ledger, tighten=True)

    assert {name: each.state for name, each in found.items()} == {
        "period": State.BLOCKED,
        "quota": State.RETIRED,
    }
    assert "quota" in names(ledger)


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        (("account", "quota_period"), {}),
        (RETIRED_INDEXES["quota"][0], {"sparse": True}),
    ],
    ids=["other keys", "other options"],
)
def test_an_operators_index_of_that_name_is_neither_dropped_nor_named(
    ledger: Rows, keys: tuple[str, ...], options: dict[str, Any]
) -> None:
    ledger[INTERACTIONS].drop_index("quota")
    ledger[INTERACTIONS].create_indexes(models_of({"quota": (keys, options)}))

    assert init(ledger).keys() == {"period"}
    assert init(ledger, tighten=True) == {}
    assert "quota" in names(ledger)


def test_a_new_ledger_has_no_retired_index(bare_database: Rows) -> None:
    make_schema(bare_database)

    assert names(bare_database) == set(INDEXES)


class Building(Database[dict[str, Any]]):
    """A database in which another command is building the index `period`."""

    def command(self, command: Any, *arguments: Any, **options: Any) -> Any:
        if "collMod" in command:
            raise OperationFailure("an index build is currently running", 12587)
        reply = super().command(command, *arguments, **options)
        if command.get("listIndexes") == INTERACTIONS:
            indexes = reply["cursor"]["firstBatch"]
            reply["cursor"]["firstBatch"] = [
                {"spec": each, "buildUUID": "1"} if each["name"] == "period" else each
                for each in indexes
            ]
        return reply


def test_an_index_that_is_being_built_is_missing_and_drops_no_other(ledger: Rows) -> None:
    init(ledger)
    building = Building(ledger.client, ledger.name)

    (missing,) = find_differences(building, definitions())
    outcomes = DatabaseSchema(building, building).ensure(tighten=True)
    found = {each.name: each for each in outcomes if each.collection == INTERACTIONS}

    assert (missing.path, missing.is_missing) == ("interactions.period", True)
    validator = found[VALIDATOR]
    assert validator.state is State.BLOCKED
    assert "index is being built" in str(validator.next_step)
    assert found["quota"].state is State.RETIRED
    assert "quota" in names(ledger)
