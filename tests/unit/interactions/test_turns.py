"""The cost of a turn, and the conditions under which two turns are the same."""

from dataclasses import replace

import pytest

from app.http import validation
from app.interactions.ids import instant_ms, lowest_ulid
from app.interactions.model import CONTENT, MODES, STATUSES, TurnTrace, default_cost, item_of
from app.interactions.schemas import TurnSchema
from tests.turns import Body, body, stateful, whole

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
# Is the turn's instant cut; by how many ms its row is later; are both the same turn?
CUT = [
    (True, 0, True),
    (True, 1, True),
    (True, 2, False),
    (True, -1, False),
    (False, 0, True),
    (False, 1, False),
]
KEY_ID = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"
ACCOUNT = "org_01ARZ3NDEKTSV4RRFFQ69G5FAV:live"


def read(payload: Body) -> TurnTrace:
    content = validation.load(TurnSchema(), payload)
    del content["turn_id"], content["occurred_at"]
    return TurnTrace(ULID, content)


def stored(turn: TurnTrace) -> dict[str, object]:
    return turn.document(
        ACCOUNT,
        "2026-11-23",
        recorded_at_us=5,
        relationship_counted=True,
        charged=1,
        uncharged=0,
        key_id=KEY_ID,
    )


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("mode", MODES)
def test_a_relationship_is_charged_only_by_a_stateful_turn_that_costs(
    status: str, mode: str
) -> None:
    charge = read(stateful(mode=mode, status=status)).charge()

    assert charge.turns == default_cost(status)
    counts = mode == "stateful" and charge.turns > 0
    assert charge.relationship_id == ("rel_42" if counts else None)
    assert charge.turn_key == ULID[10:]


@pytest.mark.parametrize(
    "payload", [body(), stateful(), whole()], ids=["least", "stateful", "whole"]
)
def test_a_turn_is_the_same_as_its_own_row_and_as_no_other(payload: Body) -> None:
    turn = read(payload)
    row = stored(turn)

    assert turn.is_same_as(row)
    assert not read(payload | {"latency_ms": 1}).is_same_as(row)
    assert not turn.is_same_as(row | {"_id": ULID[::-1]})


@pytest.mark.parametrize(("is_cut", "later_ms", "is_same"), CUT)
def test_a_row_that_was_rounded_up_is_the_same_turn_as_one_that_is_cut(
    is_cut: bool, later_ms: int, is_same: bool
) -> None:
    turn = replace(read(whole()), is_cut=is_cut)
    moved = TurnTrace(lowest_ulid(instant_ms(ULID) + later_ms)[:10] + ULID[10:], turn.content)
    assert turn.is_same_as(stored(moved)) is is_same


def test_an_item_shows_the_content_and_nothing_of_the_bookkeeping() -> None:
    item = item_of(stored(read(whole())))

    assert list(item) == ["interaction_id", "created_at", *CONTENT]
    assert item["usage"]["active_relationship_counted"] is True
