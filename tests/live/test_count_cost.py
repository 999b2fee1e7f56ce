"""The counts of a billing period: what they examine, and that old and new rows count together."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from app.admission.ledger import LedgerCount
from app.interactions.store import INDEXES, RETIRED_INDEXES, InteractionStore
from tests.schema import make_schema, models_of
from tests.turns import body, new_account, row, stateful

Rows = Database[dict[str, Any]]
Count = Callable[[InteractionStore, str], object]
PERIOD = "2026-11-23"
ROWS_COUNT = 400
# What each row of the account's own period counts as, in turn.
CHARGES = [(1, 0), (0, 1), (3, 0), (0, 0)]
COUNTS: dict[str, Count] = {
    "turns": lambda store, account: store.count_turns(account, PERIOD),
    "turns before": lambda store, account: store.count_turns(account, PERIOD, 10**15 + ROWS_COUNT),
    "relationships": lambda store, account: [*store.count_relationships(account, PERIOD)],
}


@pytest.fixture(params=["a new ledger", "an upgraded ledger"])
def store(live_database: Rows, request: pytest.FixtureRequest) -> InteractionStore:
    """A ledger; an upgraded one has the retired index still."""
    make_schema(live_database)
    if request.param == "an upgraded ledger":
        live_database["interactions"].create_indexes(models_of(RETIRED_INDEXES))
    return InteractionStore(live_database)


def history(account: str) -> list[dict[str, Any]]:
    """Return rows of charged, uncharged and imported turns of a few relationships."""
    found = []
    for number in range(ROWS_COUNT):
        charged, uncharged = CHARGES[number % len(CHARGES)]
        made = row(account, stateful(f"rel_{number % 7}"), 10**15 + number)
        found.append(made | {"charged": charged, "uncharged": uncharged})
    return found


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS.keys())
def test_counting_reads_keys_of_the_period_and_no_row(
    store: InteractionStore, live_database: Rows, count: Count
) -> None:
    account = new_account()
    store.insert_many(history(account) + history(new_account()))
    live_database.command({"profile": 2})

    count(store, account)

    live_database.command({"profile": 0})
    (found,) = live_database["system.profile"].find({"command.aggregate": "interactions"})
    assert found["docsExamined"] == 0
    # One more key ends the scan.
    assert 0 < found["keysExamined"] <= ROWS_COUNT + 1
    assert "IXSCAN { account: 1, quota_period: 1, recorded_at: 1" in found["planSummary"]


def test_charged_and_uncharged_turns_are_summed_apart(store: InteractionStore) -> None:
    account = new_account()
    store.insert_many(history(account))

    count = store.count_turns(account, PERIOD)

    of_each = ROWS_COUNT // len(CHARGES)
    assert count == LedgerCount(charged=4 * of_each, uncharged=of_each)
    half = store.count_turns(account, PERIOD, 10**15 + ROWS_COUNT // 2)
    assert half == LedgerCount(2 * of_each, of_each // 2)
    assert store.count_turns(account, "2026-10-23") == LedgerCount(0, 0)


def test_a_row_of_an_earlier_release_counts_as_no_uncharged_turn(
    store: InteractionStore, live_database: Rows
) -> None:
    account = new_account()
    earlier = [row(account, body()) | {"charged": number % 2} for number in range(10)]
    for each in earlier:
        del each["uncharged"], each["key_id"]
    live_database["interactions"].insert_many(earlier, bypass_document_validation=True)
    store.insert_many([row(account, body()) | {"uncharged": 1}])

    assert store.count_turns(account, PERIOD) == LedgerCount(charged=5, uncharged=1)


@pytest.mark.parametrize("damage", [None, "one", [1], {"x": 1}, float("nan"), 2**60])
def test_what_is_no_whole_number_counts_as_nothing(
    store: InteractionStore, live_database: Rows, damage: object
) -> None:
    account = new_account()
    odd = row(account, body()) | {"charged": 1, "uncharged": damage}
    live_database["interactions"].insert_one(odd, bypass_document_validation=True)

    assert store.count_turns(account, PERIOD) == LedgerCount(charged=1, uncharged=0)


def test_the_index_of_the_period_begins_as_the_retired_one() -> None:
    """Serve the queries of either release with either index: they name none."""
    keys, (old, _) = INDEXES["period"][0], RETIRED_INDEXES["quota"]
    assert keys[:4] == tuple(old)[:4]
    assert set(keys) == {*old, "uncharged"}
