"""Refused requests in both kinds of database."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database
from ulid import ULID

from app.request_log.model import RefusedRequest
from app.request_log.store import COLLECTION, RequestLogStore
from tests.unit.request_log.refusals import LIFETIME, NOW

ENTRY = RefusedRequest(
    id="01M857WWT68H8HWGA8E1GFTHM9",
    at=NOW,
    organization_id="org_1",
    key_id=None,
    method="GET",
    route="unmatched",
    status=404,
    error_code="not_found",
    fields=("limit", "(unknown)"),
    retry_after_s=None,
    duration_ms=0.5,
)
OTHER = replace(ENTRY, id="01M857WWT68H8HWGA8E1GFTHMA", fields=(), retry_after_s=1)


@pytest.fixture
def store(mongo_database: Database[dict[str, Any]]) -> RequestLogStore:
    return RequestLogStore(mongo_database)


def test_what_is_written_is_found(store: RequestLogStore) -> None:
    store.write([ENTRY, OTHER], NOW + LIFETIME)
    assert [store.find(each.id) for each in (ENTRY, OTHER)] == [ENTRY, OTHER]
    assert store.find("01M857WWT68H8HWGA8E1GFTHMB") is None


def test_a_batch_that_was_written_in_part_may_be_repeated(store: RequestLogStore) -> None:
    store.write([ENTRY], NOW + LIFETIME)
    store.write([replace(ENTRY, status=500), OTHER], NOW + LIFETIME)
    assert [store.find(each.id) for each in (ENTRY, OTHER)] == [ENTRY, OTHER]


def test_requests_that_are_left_out_add_up_by_minute(store: RequestLogStore) -> None:
    for seconds, count in ((0, 3), (7, 4), (8, 5)):
        store.add_left_out(NOW + timedelta(seconds=seconds), count, NOW + LIFETIME)
    counts = [store.count_left_out(NOW + timedelta(minutes=minutes)) for minutes in (-1, 0, 1)]
    assert counts == [0, 7, 5]


def test_entries_expire(live_database: Database[dict[str, Any]]) -> None:
    store = RequestLogStore(live_database)
    store.write([ENTRY], NOW + LIFETIME)
    store.add_left_out(NOW, 1, NOW + LIFETIME)
    indexes = live_database[COLLECTION].index_information()
    assert indexes["retention"]["expireAfterSeconds"] == 0
    expiries = [each["expires_at"] for each in live_database[COLLECTION].find()]
    assert expiries == [NOW + LIFETIME] * 2


def later(request: RefusedRequest, minutes: float, key_id: str | None = "key_1") -> RefusedRequest:
    at = request.at + timedelta(minutes=minutes)
    return replace(request, id=str(ULID.from_datetime(at)), at=at, key_id=key_id)


def test_the_newest_are_listed_without_counts(store: RequestLogStore) -> None:
    made = [later(ENTRY, minutes) for minutes in range(3)]
    store.write(made, NOW + LIFETIME)
    store.add_left_out(NOW, 3, NOW + LIFETIME)

    assert store.list_newest(2) == made[:0:-1]


def test_requests_of_the_same_key_are_listed_around_one(store: RequestLogStore) -> None:
    made = [later(ENTRY, minutes) for minutes in (-9, -2, -1, -0.5, 0, 0.5, 1, 2, 9)]
    store.write([*made, later(ENTRY, 0.7, "key_2")], NOW + LIFETIME)
    before, after = made[1:4], made[5:8]

    assert store.list_around(made[4], timedelta(minutes=5), 9) == [*after[::-1], *before[::-1]]
    assert store.list_around(made[4], timedelta(minutes=5), 1) == [after[0], before[-1]]
