"""The cost of a page of keys in the real database, from its profiler."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from app.tenancy.model import Environment, KeyState
from app.tenancy.store import TenancyStore
from tests.schema import make_schema

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT_MOST = 20
ENDED = NOW - timedelta(days=1)
STATES: dict[KeyState, dict[str, Any]] = {
    KeyState.ACTIVE: {"expires_at": None, "revoked_at": None},
    KeyState.EXPIRED: {"expires_at": ENDED, "revoked_at": None},
    KeyState.REVOKED: {"expires_at": None, "revoked_at": ENDED},
}
COUNTS = {KeyState.ACTIVE: 100, KeyState.EXPIRED: 300, KeyState.REVOKED: 5_000}


def documents() -> Iterator[dict[str, Any]]:
    """Return keys of two environments in mixed states."""
    for environment in Environment:
        for state, count in COUNTS.items():
            for number in range(count):
                name = f"{number:05}_{state.value}_{environment.value}"
                yield {
                    "_id": f"key_{name}",
                    "lookup": name,
                    "organization_id": "org_1",
                    "environment": environment.value,
                    "scope": "read",
                    "digest": "",
                    "hint": "",
                    "created_at": NOW,
                    "label": None,
                    **STATES[state],
                }


@pytest.fixture
def store(live_database: Database[dict[str, Any]]) -> Iterator[TenancyStore]:
    """Yield many keys of one organization, with the profiler on."""
    store = TenancyStore(live_database)
    make_schema(live_database)
    live_database["api_keys"].insert_many(list(documents()))
    live_database.command({"profile": 2})
    yield store
    live_database.command({"profile": 0})


@pytest.mark.parametrize("environments", [[Environment.LIVE], list(Environment)], ids=len)
@pytest.mark.parametrize("state", list(KeyState))
def test_a_page_is_read_in_the_order_of_an_index_and_no_revoked_key_costs_others(
    store: TenancyStore,
    live_database: Database[dict[str, Any]],
    state: KeyState,
    environments: list[Environment],
) -> None:
    found = store.find_keys("org_1", environments, state, NOW, before_id=None, at_most=AT_MOST)

    (cost,) = live_database["system.profile"].find({"op": "query", "command.find": "api_keys"})
    assert len(found) == AT_MOST
    assert not cost.get("hasSortStage")
    # One index has active and expired keys: their number is bounded, that of revoked is not.
    skipped = 0 if state is KeyState.REVOKED else 400 * len(environments)
    assert cost["docsExamined"] <= AT_MOST + skipped + len(environments)


def test_removal_reads_only_keys_that_have_ended(
    store: TenancyStore, live_database: Database[dict[str, Any]]
) -> None:
    live_database["api_keys"].update_many(
        {"_id": {"$regex": "^key_0000[0-4]_(revoked|expired)"}},
        [{"$set": {"expires_at": NOW - timedelta(days=90), "revoked_at": None}}],
    )

    assert store.remove_keys(NOW - timedelta(days=90), 1_000) == 20

    (cost,) = live_database["system.profile"].find({"op": "query", "command.find": "api_keys"})
    assert cost["docsExamined"] <= 20
