"""Batches: each element is judged by itself, and one bad one never sinks the others."""

from collections.abc import Sequence
from typing import Any

from app.admission.clock import Present
from app.http.problems import Problem
from app.interactions.ids import PREFIX
from app.interactions.model import Turn
from app.interactions.recording import Desk, Recorder, RecordingOutcome

# A batch of nothing but faults must not grow into a far larger answer.
MAX_OFFENCES_PER_ELEMENT = 5

Element = Turn | Problem


def read_batch(recorder: Recorder, account: str, bodies: Sequence[Any]) -> list[Element]:
    """The turn in each body, or its problem, in order."""
    present = recorder.present()
    return [_read(recorder, account, body, present) for body in bodies]


def record_batch(
    recorder: Recorder, account: str, elements: Sequence[Element], desk: Desk
) -> list[dict[str, Any]]:
    """Record the good elements, as one request; a result for every element, in order."""
    turns = [element for element in elements if isinstance(element, Turn)]
    recorded = iter(recorder.record_many(account, turns, desk))
    return [
        _result(next(recorded) if isinstance(element, Turn) else element) for element in elements
    ]


def _read(recorder: Recorder, account: str, body: Any, present: Present) -> Element:
    try:
        return recorder.read(account, body, present, max_offences=MAX_OFFENCES_PER_ELEMENT)
    except Problem as problem:
        return problem


def _result(outcome: RecordingOutcome) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        return {"status": "rejected", "error": outcome.body()}
    status = "created" if outcome.is_new else "duplicate"
    return {"status": status, "interaction_id": PREFIX + outcome.document["_id"]}
