"""Batches: each element is judged by itself, and one bad one never sinks the others."""

from collections.abc import Sequence
from typing import Any

from app.admission.clock import RequestClock
from app.admission.ticket import AdmissionTicket
from app.http.problems import Problem
from app.interactions.ids import PREFIX
from app.interactions.model import TurnTrace
from app.interactions.recording import Recorder, RecordingOutcome

# A batch of nothing but faults must not cost far more than a good one, nor grow into a far larger
# answer. Once so many field errors are listed, an element lists its first one only.
MAX_FIELD_ERRORS_PER_ELEMENT = 5
MAX_FIELD_ERRORS_PER_BATCH = 1_000

Element = TurnTrace | Problem


def read_batch(recorder: Recorder, account: str, bodies: Sequence[Any]) -> list[Element]:
    """The turn in each body, or its problem with its first field errors, in order."""
    clock = recorder.request_clock()
    elements, listed = [], 0
    for body in bodies:
        at_most = MAX_FIELD_ERRORS_PER_ELEMENT if listed < MAX_FIELD_ERRORS_PER_BATCH else 1
        element = _read(recorder, account, body, clock, at_most)
        elements.append(element)
        listed += len(element.details) if isinstance(element, Problem) else 0
    return elements


def record_batch(
    recorder: Recorder, account: str, elements: Sequence[Element], ticket: AdmissionTicket
) -> list[dict[str, Any]]:
    """Record the good elements, as one request; a result for every element, in order."""
    turns = [element for element in elements if isinstance(element, TurnTrace)]
    recorded = iter(recorder.record_many(account, turns, ticket))
    return [
        _result(next(recorded) if isinstance(element, TurnTrace) else element)
        for element in elements
    ]


def _read(
    recorder: Recorder, account: str, body: Any, clock: RequestClock, at_most: int
) -> Element:
    try:
        return recorder.read(account, body, clock, max_field_errors=at_most)
    except Problem as problem:
        return problem


def _result(outcome: RecordingOutcome) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        return {"status": "rejected", "error": outcome.body()}
    status = "created" if outcome.is_new else "duplicate"
    return {"status": status, "interaction_id": PREFIX + outcome.document["_id"]}
