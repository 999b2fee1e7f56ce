"""Batches: each element is judged by itself, and one bad one never sinks the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.http.problems import Problem
from app.interactions.ids import PREFIX
from app.interactions.model import Turn
from app.interactions.recording import Admit, Recorded, Recorder
from app.tenancy.model import Principal

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """What the elements of a batch's body turned out to be, in order."""

    elements: Sequence[Turn | Problem]

    @classmethod
    def read(cls, recorder: Recorder, account: str, bodies: Sequence[Any]) -> "Batch":
        """Read each body on its own; a bad one becomes its problem."""
        return cls([_read_one(recorder, account, body) for body in bodies])

    def record(
        self, recorder: Recorder, principal: Principal, admit: Admit
    ) -> list[dict[str, Any]]:
        """Record the good elements with one charge; a result for every element, in order."""
        turns = [element for element in self.elements if isinstance(element, Turn)]
        recorded = iter(recorder.record_many(principal, turns, admit))
        return [
            _result(next(recorded) if isinstance(element, Turn) else element)
            for element in self.elements
        ]


def _read_one(recorder: Recorder, account: str, body: Any) -> Turn | Problem:
    try:
        return recorder.read(account, body)
    except Problem as problem:
        return problem


def _result(outcome: Recorded | Problem) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        return {"status": "rejected", "error": outcome.body()}
    status = "created" if outcome.is_new else "duplicate"
    return {"status": status, "interaction_id": PREFIX + outcome.document["_id"]}
