"""The database's validator: accepted turns are stored, and no text can be stored."""

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import Int64
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.errors import WriteError
from ulid import ULID

from app.interactions.ids import TurnKeys
from app.interactions.schemas import (
    IDENTIFIER,
    LABEL,
    MAX_WORDS,
    MODEL,
    NAME,
    SUMMARY,
    WORD,
)
from app.interactions.store import Insertion, InteractionStore
from tests.schema import make_schema
from tests.servers import ID_KEY
from tests.turns import body, new_account, now_ms, row, stateful, whole

Row = dict[str, Any]
Path = tuple[str | int, ...]
NOT_VALID = 121
DAY_MS = 86_400_000
ANY_TURNS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
_numbers = itertools.count(1)


@pytest.fixture
def store(live_database: Database[Row]) -> InteractionStore:
    """Return an empty ledger with its validator."""
    make_schema(live_database)
    return InteractionStore(live_database)


def good_row(**changes: Any) -> Row:
    """Return a complete valid row of a new turn."""
    return row(new_account(), whole(**changes)) | {"key_id": f"key_{ULID()}"}


def refusal_code(database: Database[Row], candidate: Row) -> int | None:
    """Return the error with which the database refuses a row; None if it accepts it."""
    try:
        database["interactions"].insert_one(candidate)
    except WriteError as error:
        return error.code
    return None


def replaced(candidate: Row, path: Path, value: Any) -> Row:
    """Return a copy of a row with one value changed."""
    changed = copy.deepcopy(candidate)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return changed


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every leaf value of a row, with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def paths_of(kind: type) -> list[Path]:
    return [path for path, value in leaves(good_row()) if type(value) is kind]


STRINGS, WHOLES, NUMBERS, FLAGS = (paths_of(kind) for kind in (str, int, float, bool))
OBJECTS: list[Path] = [
    (),
    *((name,) for name in ("usage", "memory", "guardrails", "inferred_emotional_state")),
]
LISTS: list[Path] = [("guardrails", "applied"), ("inferred_emotional_state", "secondary")]


def optional(strategy: Any) -> Any:
    return st.none() | strategy


def matching(pattern: str) -> Any:
    return st.from_regex(pattern.removesuffix("$") + r"\Z", fullmatch=True)


LABELS, WORDS = matching(LABEL), matching(WORD)
BODIES = st.fixed_dictionaries(
    {
        "mode": st.just("stateless"),
        "status": st.sampled_from(["completed", "guardrail_blocked", "failed", "timed_out"]),
        "personality_id": matching(NAME),
        "latency_ms": st.integers(0, DAY_MS),
    },
    optional={
        "user_id": optional(matching(IDENTIFIER)),
        "relationship_id": optional(matching(IDENTIFIER)),
        "time_to_first_token_ms": optional(st.integers(0, DAY_MS)),
        "error_code": optional(LABELS),
        "guardrails": st.fixed_dictionaries(
            {}, optional={"applied": st.lists(WORDS, max_size=MAX_WORDS)}
        ),
        "memory": optional(
            st.fixed_dictionaries(
                {"consulted": st.booleans()},
                optional={
                    "summary_used": optional(matching(SUMMARY)),
                    "significant_moments_referenced": st.integers(0, 10_000),
                    "model_updated": st.booleans(),
                },
            )
        ),
        "inferred_emotional_state": optional(
            st.fixed_dictionaries(
                {"primary": WORDS},
                optional={
                    "confidence": optional(st.floats(0, 1) | st.integers(0, 1)),
                    "secondary": st.lists(WORDS, max_size=MAX_WORDS),
                    "intensity": optional(LABELS),
                    "valence": optional(st.floats(-1, 1)),
                    "arousal": optional(st.floats(-1, 1)),
                },
            )
        ),
        "usage": st.fixed_dictionaries(
            {},
            optional={
                "turns_consumed": st.integers(0, 1_000),
                "llm_provider": optional(matching(NAME)),
                "llm_model": optional(matching(MODEL)),
                "input_tokens": optional(st.integers(0, 100_000_000)),
                "output_tokens": optional(st.integers(0, 100_000_000)),
            },
        ),
    },
)


@ANY_TURNS
@given(st.lists(BODIES, min_size=1, max_size=8))
def test_every_turn_that_the_wire_accepts_is_stored(
    store: InteractionStore, recordings: list[Row]
) -> None:
    account = new_account()

    rows = [row(account, body(turn_id=f"v-{next(_numbers)}", **each)) for each in recordings]

    assert store.insert_many(rows) == [Insertion.STORED] * len(rows)


@pytest.mark.parametrize(
    "recording", [body(), stateful(), whole()], ids=["least", "stateful", "whole"]
)
def test_a_row_is_read_as_it_was_written(live_database: Database[Row], recording: Row) -> None:
    make_schema(live_database)
    written = row(new_account(), recording)

    assert refusal_code(live_database, copy.deepcopy(written)) is None
    assert live_database["interactions"].find_one({"_id": written["_id"]}) == written


BLANKS = (" ", "\t", "\n", "\r", "\0", "\u00a0", "\u2028", "\u200b", "é")
TEXTS = st.tuples(st.text(max_size=20), st.sampled_from(BLANKS), st.text(max_size=20)).map("".join)


@ANY_TURNS
@given(text=TEXTS, number=st.integers(0, len(STRINGS) - 1))
def test_no_string_field_accepts_text(
    live_database: Database[Row], store: InteractionStore, text: str, number: int
) -> None:
    text = text.encode("utf-8", "replace").decode()

    assert refusal_code(live_database, replaced(good_row(), STRINGS[number], text)) == NOT_VALID


@pytest.mark.parametrize("path", STRINGS, ids=repr)
def test_every_string_has_a_shape_and_a_length(
    live_database: Database[Row], store: InteractionStore, path: Path
) -> None:
    candidate = good_row()
    value = dict(leaves(candidate))[path]
    wrong = ["", f"{value}\n", f" {value}", f"{value} x", "x" * 200, "Two words", 7, True]
    wrong += [b"bytes", 1.5, {"text": value}]
    if path != ("_id",):  # which the database refuses by its own rules
        wrong += [[value], {"$gt": ""}]

    codes = {
        repr(each): refusal_code(live_database, replaced(candidate, path, each)) for each in wrong
    }

    assert {text for text, code in codes.items() if code != NOT_VALID} == set()
    assert refusal_code(live_database, candidate) is None


@pytest.mark.parametrize("path", [*WHOLES, *NUMBERS], ids=repr)
def test_every_number_has_bounds_and_a_type(
    live_database: Database[Row], store: InteractionStore, path: Path
) -> None:
    candidate = good_row()
    wrong = [-2, -2.5, 2.5, "1", True, [1], float("nan"), float("inf"), float("-inf"), {"x": 1}]
    if path not in {("recorded_at",), ("open",)}:
        wrong.append(Int64(2**60))

    codes = {
        repr(each): refusal_code(live_database, replaced(candidate, path, each)) for each in wrong
    }

    assert {text for text, code in codes.items() if code != NOT_VALID} == set()


@pytest.mark.parametrize("path", FLAGS, ids=repr)
def test_a_flag_is_true_or_false(
    live_database: Database[Row], store: InteractionStore, path: Path
) -> None:
    candidate = good_row()

    for wrong in (0, 1, "true", None, [], {}):
        assert refusal_code(live_database, replaced(candidate, path, wrong)) == NOT_VALID


@pytest.mark.parametrize("path", OBJECTS, ids=repr)
@pytest.mark.parametrize("name", ["message", "text", "$text", "a b", "Mode", ""])
def test_no_object_accepts_a_new_field(
    live_database: Database[Row], store: InteractionStore, path: Path, name: str
) -> None:
    candidate = replaced(good_row(), (*path, name), "joy")

    assert refusal_code(live_database, candidate) == NOT_VALID


@pytest.mark.parametrize("path", LISTS, ids=repr)
@pytest.mark.parametrize(
    "value", [["joy"] * 33, ["two words"], [7], [None], [["joy"]], "joy", None, {"0": "joy"}]
)
def test_a_list_has_a_bound_and_holds_only_labels(
    live_database: Database[Row], store: InteractionStore, path: Path, value: Any
) -> None:
    assert refusal_code(live_database, replaced(good_row(), path, value)) == NOT_VALID


@pytest.mark.parametrize("path", [path for path, _ in leaves(good_row()) if len(path) == 1])
def test_no_field_can_be_omitted(
    live_database: Database[Row], store: InteractionStore, path: Path
) -> None:
    candidate = good_row()
    # The database creates its own `_id`, which is no ULID; `open` is removed when it is counted.
    del candidate[str(path[0])]

    expected = None if path == ("open",) else NOT_VALID
    assert refusal_code(live_database, candidate) == expected


@pytest.mark.parametrize("name", ["user_id", "relationship_id"])
def test_a_stateful_turn_without_its_user_or_relationship_is_refused(
    live_database: Database[Row], store: InteractionStore, name: str
) -> None:
    assert refusal_code(live_database, replaced(good_row(), (name,), None)) == NOT_VALID
    lone = replaced(good_row(mode="stateless"), (name,), None)
    assert refusal_code(live_database, lone) is None


CHANGES: list[Callable[[], Row]] = [
    lambda: {"$set": {"message": "hello there"}},
    lambda: {"$set": {"usage.prompt": "hello"}},
    lambda: {"$set": {"user_id": "two words"}},
    lambda: {"$push": {"guardrails.applied": "hello there"}},
    lambda: {"$unset": {"account": ""}},
]


@pytest.mark.parametrize("change", CHANGES)
def test_text_cannot_be_added_to_a_stored_row(
    live_database: Database[Row], store: InteractionStore, change: Callable[[], Row]
) -> None:
    candidate = good_row()
    assert refusal_code(live_database, copy.deepcopy(candidate)) is None

    with pytest.raises(WriteError) as refused:
        live_database["interactions"].update_one({"_id": candidate["_id"]}, change())

    assert refused.value.code == NOT_VALID
    assert live_database["interactions"].find_one({"_id": candidate["_id"]}) == candidate


def test_each_row_of_a_batch_is_validated_separately(store: InteractionStore) -> None:
    good, twin = good_row(), good_row()
    bad = replaced(good_row(), ("user_id",), "two words")

    outcomes = store.insert_many([good, bad, copy.deepcopy(good), twin])

    assert outcomes == [
        *(Insertion.STORED, Insertion.REFUSED_BY_DATABASE, Insertion.DUPLICATE, Insertion.STORED),
    ]


def test_creating_the_schema_again_renews_the_validator(live_database: Database[Row]) -> None:
    make_schema(live_database)
    live_database.command({"collMod": "interactions", "validator": {}})
    text = replaced(good_row(), ("user_id",), "two words")
    assert refusal_code(live_database, copy.deepcopy(text)) is None
    live_database["interactions"].delete_many({})

    make_schema(live_database)

    assert refusal_code(live_database, text) == NOT_VALID


def test_the_same_turn_at_another_instant_is_a_duplicate(store: InteractionStore) -> None:
    account, keys = new_account(), TurnKeys(ID_KEY)
    recording = whole()
    first = row(account, dict(recording))
    second = first | {"_id": keys.ulid(account, recording["turn_id"], now_ms() - 5)}

    assert store.insert_many([first]) == [Insertion.STORED]
    assert store.insert_many([second]) == [Insertion.DUPLICATE]
