"""Bringing in turns of the past, which charge no quota."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.admission.chunks import chunked
from app.admission.clock import RequestClock
from app.http import offences
from app.http.durations import DAY_MS
from app.http.problems import Problem, offence
from app.interactions.ids import TurnKeys
from app.interactions.model import Turn
from app.interactions.recording import MAX_AHEAD_MS, NS_OF_MS, conflict, turn_of
from app.interactions.retention import RETENTION_DAYS
from app.interactions.schemas import TurnSchema
from app.interactions.store import Insertion, InteractionStore

# A turn that expires takes its identity with it: a day later the same file would count it again.
OLDEST_DAYS = RETENTION_DAYS - 1
_OLDEST_MS = OLDEST_DAYS * DAY_MS
_SCHEMA = TurnSchema()

# What became of a turn: whether it is new, or why it is not stored.
ImportOutcome = bool | Problem


@dataclass(frozen=True, slots=True)
class Import:
    """Where turns of the past go: the account, and how their rows are marked."""

    account: str
    quota_period: str
    recorded_at_us: int


class HistoryImport:
    """Stores finished turns that were told late."""

    def __init__(self, store: InteractionStore, keys: TurnKeys) -> None:
        self._store = store
        self._keys = keys

    def read(self, account: str, body: Any, clock: RequestClock) -> Turn:
        """The turn on a line of a file, or a validation problem that names its offences.

        It may be older than a recording, but not older than 179 days.
        """
        loaded = offences.load(_SCHEMA, body, whole="line")
        occurred_at_ms = loaded["occurred_at"] // NS_OF_MS
        if not clock.is_near(occurred_at_ms, oldest_ms=_OLDEST_MS, ahead_ms=MAX_AHEAD_MS):
            allowed = {"oldest_days": OLDEST_DAYS, "ahead_minutes": 5}
            message = (
                f"`occurred_at` must be within the last {OLDEST_DAYS} days, at most 5 minutes "
                "ahead: leave older turns out."
            )
            raise Problem.invalid([offence("occurred_at", "out_of_range", message, allowed)])
        return turn_of(self._keys, account, loaded)

    def store_many(self, target: Import, turns: Sequence[Turn]) -> list[ImportOutcome]:
        """Store turns, each on its own; what became of each, in order.

        A turn that is stored already with the same content is no problem, with other content it is
        a `conflict`.
        """
        insertions = self._insert(target, turns)
        there = [
            turn.turn_key
            for turn, insertion in zip(turns, insertions, strict=True)
            if insertion is Insertion.DUPLICATE
        ]
        stored = self._store.find_turns(target.account, there) if there else {}

        def outcome(turn: Turn, insertion: Insertion) -> ImportOutcome:
            if insertion is Insertion.REFUSED:
                return Problem("internal_error", "The database refused what the schema accepts.")
            if insertion is Insertion.STORED:
                return True
            found = stored.get(turn.turn_key)
            return conflict() if found and not turn.is_same_as(found) else False

        return [outcome(*pair) for pair in zip(turns, insertions, strict=True)]

    def store(
        self, account: str, bodies: Iterable[Any], quota_period: str, recorded_at_us: int
    ) -> int:
        """Store the turns in `bodies`, which are as in a recording but may be of any age.

        Returns how many are new: a turn that is stored already stays as it is. Raises a validation
        problem for the first bad body; those before it are stored.
        """
        target = Import(account, quota_period, recorded_at_us)
        turns = (turn_of(self._keys, account, offences.load(_SCHEMA, body)) for body in bodies)
        counts: Counter[Insertion] = Counter()
        for chunk in chunked(turns):
            counts.update(self._insert(target, chunk))
        if counts[Insertion.REFUSED]:
            raise RuntimeError("the database refused rows that the schema accepted")
        return counts[Insertion.STORED]

    def _insert(self, target: Import, turns: Sequence[Turn]) -> list[Insertion]:
        rows = [
            turn.document(
                target.account,
                target.quota_period,
                recorded_at_us=target.recorded_at_us,
                relationship_counted=False,
                charged=0,
            )
            for turn in turns
        ]
        return self._store.insert_many(rows)
