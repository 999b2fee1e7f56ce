"""User and relationship of a row as the database allows them: ids, pseudonyms, or erased."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import WriteError

from app.http import validation
from app.http.request_errors import InvalidFields
from app.interactions.model import PEOPLE
from app.interactions.schemas import TurnSchema
from tests.schema import make_schema
from tests.turns import Body, body, new_account, row, stateful, whole

Row = dict[str, Any]
Rows = Database[Row]
Judge = Callable[[Row], int | None]
NOT_VALID = 121
PSEUDONYM = "~AZaz09_-AZaz09_-AZaz09"
ERASED: Row = {"user_id": None, "relationship_id": None, "erased": True}


@pytest.fixture
def judge(live_database: Rows) -> Judge:
    """Return a function: the code with which the database refuses a row, None if it takes it."""
    make_schema(live_database)

    def insert(candidate: Row) -> int | None:
        try:
            live_database["interactions"].insert_one(copy.deepcopy(candidate))
        except WriteError as error:
            return error.code
        live_database["interactions"].delete_many({})
        return None

    return insert


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("turn", [body(), stateful(), whole()], ids=["least", "stateful", "whole"])
def test_a_pseudonym_may_replace_an_id(judge: Judge, turn: Body, name: str) -> None:
    assert judge(row(new_account(), turn) | {name: PSEUDONYM}) is None


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize(
    "value",
    [
        *("~", PSEUDONYM[:-1], f"{PSEUDONYM}A", f"~{PSEUDONYM}"[:23], PSEUDONYM[1:] + "~"),
        *(f"{PSEUDONYM}\n", f"\n{PSEUDONYM}", f" {PSEUDONYM}", PSEUDONYM.replace("A", "é", 1)),
        *(PSEUDONYM.replace("_", "+"), PSEUDONYM.replace("_", " "), f"x{PSEUDONYM}"),
        f"{PSEUDONYM}{PSEUDONYM}",
    ],
    ids=repr,
)
def test_nothing_else_with_a_tilde_is_accepted(judge: Judge, name: str, value: str) -> None:
    assert judge(row(new_account(), stateful()) | {name: value}) == NOT_VALID


@pytest.mark.parametrize("name", PEOPLE)
def test_clients_cannot_send_a_pseudonym(name: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        validation.load(TurnSchema(), stateful() | {name: PSEUDONYM})

    assert [each["field"] for each in refused.value.field_errors] == [name]


@pytest.mark.parametrize("name", ["personality_id", "error_code", "turn_key", "account"])
def test_no_other_string_may_be_a_pseudonym(judge: Judge, name: str) -> None:
    assert judge(row(new_account(), whole()) | {name: PSEUDONYM}) == NOT_VALID


@pytest.mark.parametrize("turn", [body(), stateful(), whole()], ids=["least", "stateful", "whole"])
def test_an_erased_row_has_neither_user_nor_relationship(judge: Judge, turn: Body) -> None:
    found = row(new_account(), turn)

    assert judge(found | ERASED) is None
    for name in PEOPLE:
        assert judge(found | ERASED | {name: "u_42"}) == NOT_VALID
        assert judge(found | ERASED | {name: PSEUDONYM}) == NOT_VALID


@pytest.mark.parametrize("value", [False, 1, 0, "true", None, [True], {"by": "us"}], ids=repr)
def test_erased_is_true_or_absent(judge: Judge, value: object) -> None:
    for turn in (body(), stateful()):
        assert judge(row(new_account(), turn) | {"erased": value}) == NOT_VALID
        assert judge(row(new_account(), turn) | ERASED | {"erased": value}) == NOT_VALID


def test_null_people_of_a_stateful_row_need_erased(judge: Judge) -> None:
    found = row(new_account(), stateful())
    assert judge(found | {"user_id": None, "relationship_id": None}) == NOT_VALID


@pytest.mark.parametrize("turn", [body(), stateful(), whole()], ids=["least", "stateful", "whole"])
def test_a_stored_row_can_be_erased_and_not_restored(live_database: Rows, turn: Body) -> None:
    make_schema(live_database)
    rows, stored = live_database["interactions"], row(new_account(), turn)
    rows.insert_one(stored)

    assert rows.update_one({"_id": stored["_id"]}, {"$set": ERASED}).modified_count == 1

    with pytest.raises(WriteError) as refused:
        rows.update_one({"_id": stored["_id"]}, {"$set": {"user_id": "u_42"}})
    assert refused.value.code == NOT_VALID
    with pytest.raises(WriteError):
        rows.update_one({"_id": stored["_id"]}, {"$set": {"note": "it was Zoe"}})
    # The archive goes on as with any row.
    assert rows.update_one({"_id": stored["_id"]}, {"$set": {"open": 1}}).modified_count == 1


@pytest.mark.parametrize("key_id", ["key_", "key_x", "x" * 30, "org_01ARZ3NDEKTSV4RRFFQ69G5FAV", 7])
def test_a_key_is_named_by_its_id_or_not_at_all(judge: Judge, key_id: object) -> None:
    found = row(new_account(), body())
    assert judge(found | {"key_id": key_id}) == NOT_VALID
    assert judge(found | {"key_id": None}) is None
    assert judge(found | {"key_id": "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"}) is None


@pytest.mark.parametrize(("uncharged", "code"), [(0, None), (1, None), (2, 121), (-1, 121)])
def test_a_row_counts_as_at_most_one_uncharged_turn(
    judge: Judge, uncharged: int, code: int | None
) -> None:
    assert judge(row(new_account(), body()) | {"uncharged": uncharged}) == code
