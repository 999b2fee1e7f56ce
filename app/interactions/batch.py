"""Batches of turns: each element has its own result, and a bad one does not stop the others."""

from collections.abc import Callable, Sequence
from typing import Any

from app.http.request_errors import InvalidFields
from app.interactions.attempts import RecordingOutcome
from app.interactions.ids import PREFIX
from app.interactions.model import TurnTrace

# A batch of bad elements must not cost far more than a good one, nor have a far larger answer. Once
# so many field errors are listed, an element lists its first one only.
MAX_FIELD_ERRORS_PER_ELEMENT = 5
MAX_FIELD_ERRORS_PER_BATCH = 1_000
# A token of the rate limit pays for so many elements, so that a batch is no way around the limit.
ELEMENTS_PER_TOKEN = 50

Element = TurnTrace | InvalidFields
# Returns the turn in a body, or raises InvalidFields with at most so many field errors.
Read = Callable[[Any, int], TurnTrace]
# Stores turns for so many tokens; returns the outcome of each, in order.
Store = Callable[[Sequence[TurnTrace], int], Sequence[RecordingOutcome]]
Describe = Callable[[Exception], dict[str, Any]]


def price_of(elements_count: int) -> int:
    """Return the tokens that a batch costs; a plan with a smaller burst lowers it.

    Bad elements count too: each is read and answered.
    """
    return -(-elements_count // ELEMENTS_PER_TOKEN)


def read_batch(read: Read, bodies: Sequence[Any]) -> list[Element]:
    """Return the turn in each body, or the error with its first field errors, in order."""
    elements, listed = [], 0
    for body in bodies:
        at_most = MAX_FIELD_ERRORS_PER_ELEMENT if listed < MAX_FIELD_ERRORS_PER_BATCH else 1
        element = _read(read, body, at_most)
        elements.append(element)
        listed += len(element.field_errors) if isinstance(element, InvalidFields) else 0
    return elements


def store_batch(
    elements: Sequence[Element], store: Store, describe: Describe
) -> list[dict[str, Any]]:
    """Store the good elements, as one request; return a result for every element, in order.

    `describe` renders the error of an element.
    """
    turns = [element for element in elements if isinstance(element, TurnTrace)]
    recorded = iter(store(turns, price_of(len(elements))))
    outcomes = [
        next(recorded) if isinstance(element, TurnTrace) else element for element in elements
    ]
    return [_result(outcome, describe) for outcome in outcomes]


def _read(read: Read, body: Any, at_most: int) -> Element:
    try:
        return read(body, at_most)
    except InvalidFields as error:
        return error


def _result(outcome: RecordingOutcome, describe: Describe) -> dict[str, Any]:
    if isinstance(outcome, Exception):
        return {"status": "rejected", "error": describe(outcome)}
    status = "created" if outcome.is_new else "duplicate"
    return {"status": status, "interaction_id": PREFIX + outcome.document["_id"]}
