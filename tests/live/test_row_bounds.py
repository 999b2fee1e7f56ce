"""The bounds that the database itself enforces: labels, names, total length of ids."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import WriteError

from app.interactions.id_characters import ID_FIELDS, MAX_ID_CHARACTERS
from app.interactions.validator import row_validator
from tests.turns import body, new_account, row, whole

Row = dict[str, Any]
Judge = Callable[[Row], int | None]
LONGEST = {
    "user_id": 128,
    "relationship_id": 128,
    "personality_id": 64,
    "usage.llm_provider": 64,
    "usage.llm_model": 128,
    "memory.summary_used": 128,
    "error_code": 32,
}
# In each of them one more character is still valid for the field alone.
LENGTHS = {
    "user_id": 127,
    "relationship_id": 127,
    "personality_id": 63,
    "usage.llm_provider": 63,
    "usage.llm_model": 127,
    "memory.summary_used": 62,
    "error_code": 31,
}


@pytest.fixture
def judge(live_database: Database[Row]) -> Judge:
    """Return a function: the code with which this release's validator refuses a row."""
    rows = live_database.create_collection("rows", validator=row_validator())

    def insert(candidate: Row) -> int | None:
        try:
            rows.insert_one(copy.deepcopy(candidate))
        except WriteError as error:
            return error.code
        rows.delete_many({})
        return None

    return insert


def with_value(candidate: Row, field: str, value: Any) -> Row:
    changed = copy.deepcopy(candidate)
    part, _, name = field.rpartition(".")
    holder = changed[part] if part else changed
    holder[name] = value
    return changed


def row_of(lengths: dict[str, int]) -> Row:
    """Return a row whose ids have these lengths."""
    found = row(new_account(), whole())
    for field, length in lengths.items():
        found = with_value(found, field, "x" * length)
    return found


def test_ids_of_600_characters_together_are_accepted(judge: Judge) -> None:
    assert sum(LENGTHS.values()) == MAX_ID_CHARACTERS == 600
    assert set(LENGTHS) == set(LONGEST) == set(ID_FIELDS)

    assert judge(row_of(LENGTHS)) is None


@pytest.mark.parametrize("field", ID_FIELDS)
def test_601_characters_are_refused_whichever_id_is_longer(judge: Judge, field: str) -> None:
    one_more = LENGTHS | {field: LENGTHS[field] + 1}

    assert judge(row_of(one_more)) == 121
    # The sum is too long, not the field.
    shorter = "user_id" if field != "user_id" else "relationship_id"
    assert judge(row_of(one_more | {shorter: one_more[shorter] - 1})) is None


@pytest.mark.parametrize("field", ID_FIELDS)
def test_each_id_alone_has_its_own_bound(judge: Judge, field: str) -> None:
    assert judge(row_of({field: LONGEST[field]})) is None
    assert judge(row_of({field: LONGEST[field] + 1})) == 121


def test_ids_that_are_null_or_missing_count_as_nothing(judge: Judge) -> None:
    least = row(new_account(), body())
    assert least["memory"] is None
    assert least["usage"]["llm_model"] is least["user_id"] is None

    assert judge(least) is None


@pytest.mark.parametrize("field", ID_FIELDS)
@pytest.mark.parametrize("value", [7, True, ["x"], {"x": "y"}, b"x"], ids=repr)
def test_an_id_of_another_type_is_refused_as_any_bad_row(
    judge: Judge, field: str, value: Any
) -> None:
    assert judge(with_value(row(new_account(), whole()), field, value)) == 121


@pytest.mark.parametrize(
    "field",
    ["personality_id", "usage.llm_provider", "usage.llm_model", "memory.summary_used"],
)
def test_no_at_sign_is_accepted_in_ids_other_than_users(judge: Judge, field: str) -> None:
    assert judge(with_value(row(new_account(), whole()), field, "zoe@home")) == 121
    assert judge(with_value(row(new_account(), whole()), "user_id", "zoe@home")) is None


@pytest.mark.parametrize("path", ["guardrails.applied", "inferred_emotional_state.secondary"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["4" + "a" * 39] * 10, None),
        (["joy"] * 11, 121),
        (["a" * 41], 121),
        (["Joy"], 121),
        (["high-joy"], 121),
        ([""], 121),
    ],
)
def test_a_list_holds_ten_labels(
    judge: Judge, path: str, words: list[str], code: int | None
) -> None:
    assert judge(with_value(row(new_account(), whole()), path, words)) == code
