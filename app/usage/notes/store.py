"""Store the worker's notes in `upkeep`, one document for each, for other processes to read."""

from collections.abc import Collection as Group
from typing import Any, NamedTuple

from pymongo.collection import Collection
from pymongo.database import Database

from app.backends.containment import Containment
from app.tenancy.model import organization_in

COLLECTION = "upkeep"
_LAST_SWEEP = "archive"
_DRIFT = "reconcile"
_FAULTS = "faults_of_"
_SET_ASIDE = "set_aside"
# The step of passes that failed as a whole, whichever chore they were of; a stored name.
WHOLE_PASSES = "whole_steps"
# Each step of the worker replaces the organizations at fault that it found before.
STEPS = ("archive", "organizations", "reconcile", WHOLE_PASSES)
MAX_AT_FAULT = 1_000

Document = dict[str, Any]


class Faults(NamedTuple):
    """The organizations at fault in the worker's passes, and the number of failures so far."""

    organizations: tuple[str, ...] = ()
    failures: int = 0


class Drift(NamedTuple):
    """By how much counters were corrected; the names are those of the stored document."""

    turns: int
    relationships: int
    uncharged_turns: int


class PassNotes:
    """Reads and writes the notes of passes. Driver errors pass through."""

    def __init__(self, database: Database[Document]) -> None:
        self._notes: Collection[Document] = database[COLLECTION]

    def note_sweep(self, started_at_us: int) -> None:
        """Store the start of a complete sweep: earlier turns are all archived.

        The latest call counts, even with an earlier instant: the clock may have been ahead.
        """
        change = {"$set": {"started_at_us": started_at_us}}
        self._notes.update_one({"_id": _LAST_SWEEP}, change, upsert=True)

    def find_sweep_us(self) -> int | None:
        """Return when the last complete sweep started, in microseconds; None if there was none."""
        found = self._notes.find_one({"_id": _LAST_SWEEP})
        return int(found["started_at_us"]) if found else None

    def note_drift(self, drift: Drift) -> None:
        """Add to the drift that reconciliations have corrected, in either direction."""
        if any(drift):
            self._notes.update_one({"_id": _DRIFT}, {"$inc": drift._asdict()}, upsert=True)

    def drift(self) -> Drift:
        """Return by how much quotas were corrected so far."""
        found = self._notes.find_one({"_id": _DRIFT}) or {}
        return Drift(*(int(found.get(name, 0)) for name in Drift._fields))

    def note_failures(self, step: str, containment: Containment) -> None:
        """Have `/readyz`, metrics and `archive status` report what failed in a pass of `step`."""
        failures = containment.failures
        organizations = {organization_in(each.account) for each in failures if each.account}
        self.note_faults(step, organizations, len(failures))

    def note_faults(self, step: str, organizations: Group[str], failures: int) -> None:
        """Note the organizations at fault in the last pass of `step`, and count its failures.

        Keeps the first 1,000 in order.
        """
        change = {
            "$set": {"organizations": sorted(organizations)[:MAX_AT_FAULT]},
            "$inc": {"failures": failures},
        }
        self._notes.update_one({"_id": f"{_FAULTS}{step}"}, change, upsert=True)

    def faults(self) -> Faults:
        """Return the organizations at fault in the last passes, and the failures so far."""
        steps = list(self._notes.find({"_id": {"$in": [f"{_FAULTS}{step}" for step in STEPS]}}))
        organizations = {name for step in steps for name in step["organizations"]}
        return Faults(
            tuple(sorted(organizations)[:MAX_AT_FAULT]), sum(step["failures"] for step in steps)
        )

    def note_set_aside(self, account: str, day: str, turns: int) -> None:
        """Add to the turns that were set aside, of the day and of all."""
        for name in (_SET_ASIDE, f"{_SET_ASIDE}/{account}/{day}"):
            self._notes.update_one({"_id": name}, {"$inc": {"turns": turns}}, upsert=True)

    def count_set_aside(self) -> int:
        """Return how many turns were set aside so far."""
        found = self._notes.find_one({"_id": _SET_ASIDE})
        return int(found["turns"]) if found else 0

    def count_set_aside_of(self, account: str, day: str) -> int:
        """Return how many turns of the day were set aside."""
        found = self._notes.find_one({"_id": f"{_SET_ASIDE}/{account}/{day}"})
        return int(found["turns"]) if found else 0

    def list_set_aside(self, at_most: int) -> dict[str, int]:
        """Return how many turns were set aside, by `ACCOUNT/DAY`."""
        names = {"$gt": f"{_SET_ASIDE}/", "$lt": f"{_SET_ASIDE}0"}
        found = self._notes.find({"_id": names}).sort("_id", 1).limit(at_most)
        return {each["_id"].removeprefix(f"{_SET_ASIDE}/"): int(each["turns"]) for each in found}
