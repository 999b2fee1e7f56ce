"""The parameter `breakdown` of aggregates and usage over HTTP."""

from typing import Any

import pytest

from app.http.application import provided
from app.usage.archive_pass import ArchivePass
from app.usage.breakdown import DIMENSIONS
from tests.callers import LIST, Caller, error_of
from tests.turns import body, whole

PATHS = (f"{LIST}/aggregates", "/v1/usage/turns")
ONE = {"total_turns": 1, "turns_consumed": 1, "input_tokens": 374, "output_tokens": 44}
FAILED = {"total_turns": 2, "turns_consumed": 0, "input_tokens": 0, "output_tokens": 0}
Bucket = dict[str, Any]


def ask(caller: Caller, path: str, **query: str) -> Bucket:
    """Return the bucket that has turns."""
    answer = caller("GET", path, query_string=query)
    assert answer.status_code == 200, answer.text
    (bucket,) = [each for each in answer.get_json()["data"] if each["total_turns"]]
    found: Bucket = bucket
    return found


@pytest.fixture
def turns(caller: Caller) -> Caller:
    """A caller with a completed turn of a model and two failed ones without."""
    for each in (whole(), body(status="failed"), body(status="failed")):
        assert caller.record(each).status_code == 201
    return caller


EXPECTED = {
    "model": {"~none": FAILED, "openai/gpt-4o": ONE},
    "provider": {"~none": FAILED, "openai": ONE},
    "status": {"failed": FAILED, "completed": ONE},
    "mode": {"stateless": FAILED, "stateful": ONE},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_archived", [False, True])
def test_a_bucket_is_broken_down_largest_first(
    turns: Caller, path: str, *, is_archived: bool
) -> None:
    if is_archived:
        with turns.app.app_context():
            assert provided(ArchivePass).run().turns == 3
    plain = ask(turns, path)
    for dimension, expected in EXPECTED.items():
        bucket = ask(turns, path, breakdown=dimension)
        shares = [{"key": name, **sums} for name, sums in expected.items()]
        assert bucket == plain | {"breakdown": shares, "breakdown_complete": True}


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_sums_of_every_dimension_are_those_of_the_bucket(turns: Caller, dimension: str) -> None:
    bucket = ask(turns, PATHS[0], breakdown=dimension, user_id="u_42")
    (share,) = bucket["breakdown"]
    assert {name: share[name] for name in ONE} == {name: bucket[name] for name in ONE} == ONE


def test_an_empty_bucket_has_an_empty_breakdown(caller: Caller) -> None:
    answer = caller("GET", PATHS[0], query_string={"breakdown": "key"}).get_json()
    (bucket,) = answer["data"]
    assert (bucket["breakdown"], bucket["breakdown_complete"]) == ([], True)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", ["user", "user_id", "model,key"])
def test_an_unknown_breakdown_is_refused_with_the_known_ones(
    caller: Caller, path: str, value: str
) -> None:
    answer = caller("GET", path, query_string={"breakdown": value})
    assert answer.status_code == 400
    (detail,) = error_of(answer)["details"]
    assert detail["field"] == "breakdown"
    assert detail["allowed"] == list(DIMENSIONS)


def test_a_long_range_is_refused_with_the_next_step(caller: Caller) -> None:
    query = {"breakdown": "key", "group_by": "month", "from": "2024-01-01", "to": "2025-02-01"}
    answer = caller("GET", PATHS[1], query_string=query)
    assert answer.status_code == 400
    (detail,) = error_of(answer)["details"]
    assert (detail["field"], detail["allowed"]) == ("breakdown", {"max_days": 366})
    assert caller("GET", PATHS[1], query_string=query | {"to": "2025-01-01"}).status_code == 200
