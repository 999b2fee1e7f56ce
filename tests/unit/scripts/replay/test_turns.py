"""What a replay makes of an arrival."""

from dataclasses import replace

import pytest

from app.http.instants import parse_ms
from app.interactions.schemas import TurnSchema
from scripts.lib.replay.trace import Arrival
from scripts.lib.replay.turns import USERS_COUNT, Recipe

START_MS = parse_ms("2026-11-23T10:00:00.000Z")
RECIPE = Recipe("conv", START_MS, 1)
ARRIVAL = Arrival(7, 1_234_567, 374, 44)


def test_instant_and_tokens_are_those_of_the_trace() -> None:
    body = RECIPE.body(ARRIVAL)

    assert body["turn_id"] == f"conv:{START_MS}:7"
    assert body["occurred_at"] == "2026-11-23T10:00:01.234Z"
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (374, 44)


def test_the_same_recipe_and_arrival_give_the_same_turn() -> None:
    assert RECIPE.body(ARRIVAL) == Recipe("conv", START_MS, 1).body(ARRIVAL)


@pytest.mark.parametrize("other", [Recipe("conv", START_MS + 1, 1), Recipe("code", START_MS, 1)])
def test_another_start_or_file_is_another_turn(other: Recipe) -> None:
    assert other.turn_id(ARRIVAL) != RECIPE.turn_id(ARRIVAL)


def test_another_seed_is_the_same_turn_with_other_content() -> None:
    other = replace(RECIPE, seed=2)

    assert other.turn_id(ARRIVAL) == RECIPE.turn_id(ARRIVAL)
    assert other.body(ARRIVAL) != RECIPE.body(ARRIVAL)


@pytest.mark.parametrize("stem", ["conv", "a b", "ä:ö", "x" * 300, ""])
def test_the_service_takes_every_turn_that_is_made(stem: str) -> None:
    recipe = replace(RECIPE, file_stem=stem)

    for line in range(2, 202):
        body = recipe.body(Arrival(line, line * 10**9, 99_999_999, line - 2))
        assert TurnSchema().validate(body) == {}


def test_people_keep_to_one_relationship_each_and_some_talk_more() -> None:
    bodies = [RECIPE.body(Arrival(line, 0, 1, 1)) for line in range(2, 4_002)]

    pairs = {(body["user_id"], body["relationship_id"]) for body in bodies}
    assert len({user for user, _ in pairs}) == len(pairs) <= USERS_COUNT
    first = sum(body["user_id"] == "u_replay_1" for body in bodies)
    assert first > 3 * len(bodies) / USERS_COUNT
