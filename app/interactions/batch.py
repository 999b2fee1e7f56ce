"""Batches: each element is judged by itself, and one bad one never sinks the others."""

from collections.abc import Sequence
from typing import Any

from app.admission.clock import RequestClock
from app.http.errors import describe
from app.http.problems import Problem
from app.http.request_errors import InvalidFields
from app.interactions.ids import PREFIX
from app.interactions.model import TurnTrace
from app.interactions.recording import Desk, Recorder, RecordingOutcome

# A batch of nothing but faults must not cost far more than a good one, nor grow into a far larger
# answer. Once so many field errors are listed, an element lists its first one only.
MAX_FIELD_ERRORS_PER_ELEMENT = 5
MAX_FIELD_ERRORS_PER_BATCH = 1_000

Element = TurnTrace | InvalidFields


def read_batch(recorder: Recorder, account: str, bodies: Sequence[Any]) -> list[Element]:
    """The turn in each body, or its problem with its first field errors, in order."""
    clock = recorder.request_clock()
    elements, listed = [], 0
    for body in bodies:
        at_most = MAX_FIELD_ERRORS_PER_ELEMENT if listed < MAX_FIELD_ERRORS_PER_BATCH else 1
        element = _read(recorder, account, body, clock, at_most)
        elements.append(element)
        listed += len(element.field_errors) if isinstance(element, InvalidFields) else 0
    return elements


def record_batch(
    recorder: Recorder, account: str, elements: Sequence[Element], desk: Desk
) -> list[dict[str, Any]]:
    """Record the good elements, as one request; a result for every element, in order."""
    turns = [element for element in elements if isinstance(element, TurnTrace)]
    recorded = iter(recorder.record_many(account, turns, desk))
    return [
        _result(next(recorded) if isinstance(element, TurnTrace) else element)
        for element in elements
    ]


def _read(
    recorder: Recorder, account: str, body: Any, clock: RequestClock, at_most: int
) -> Element:
    try:
        return recorder.read(account, body, clock, max_field_errors=at_most)
    except InvalidFields as error:
        return error


def _result(outcome: RecordingOutcome | InvalidFields) -> dict[str, Any]:
    if isinstance(outcome, (Problem, InvalidFields)):
        return {"status": "rejected", "error": describe(outcome)}
    status = "created" if outcome.is_new else "duplicate"
    return {"status": status, "interaction_id": PREFIX + outcome.document["_id"]}
