"""Import earlier turns, which charge no quota."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.admission.chunks import chunked
from app.admission.clock import RequestClock
from app.http import validation
from app.http.durations import DAY_MS
from app.http.request_errors import InvalidFields, field_error
from app.interactions.errors import ImportRefused, InteractionError, TurnConflict
from app.interactions.ids import TurnKeys
from app.interactions.model import TurnTrace
from app.interactions.recording import MAX_AHEAD_MINUTES, MAX_AHEAD_MS, NS_OF_MS, turn_of
from app.interactions.retention import RETENTION_DAYS
from app.interactions.schemas import TurnSchema
from app.interactions.store import Insertion, InteractionStore

# A row that expires no longer prevents a duplicate: the same file would count its turn again.
OLDEST_DAYS = RETENTION_DAYS - 1
_OLDEST_MS = OLDEST_DAYS * DAY_MS
_SCHEMA = TurnSchema()

# Of one turn: True if it is new, False if it was stored already, or why it is not stored.
ImportOutcome = bool | InteractionError


@dataclass(frozen=True, slots=True)
class Import:
    """The account of imported turns, and the values that their rows get."""

    account: str
    quota_period: str
    recorded_at_us: int


class TurnImporter:
    """Stores earlier turns, from files and from the demo."""

    def __init__(self, store: InteractionStore, keys: TurnKeys) -> None:
        self._store = store
        self._keys = keys

    def read(self, account: str, body: Any, clock: RequestClock) -> TurnTrace:
        """Return the turn on a line of a file; raise InvalidFields for a bad line.

        It may be older than a turn that is recorded over HTTP, but not older than 179 days.
        """
        loaded = validation.load(_SCHEMA, body, whole="line")
        occurred_at_ms = loaded["occurred_at"] // NS_OF_MS
        if not clock.is_near(occurred_at_ms, oldest_ms=_OLDEST_MS, ahead_ms=MAX_AHEAD_MS):
            allowed = {"oldest_days": OLDEST_DAYS, "ahead_minutes": MAX_AHEAD_MINUTES}
            message = (
                f"`occurred_at` must be within the last {OLDEST_DAYS} days, "
                f"at most {MAX_AHEAD_MINUTES} minutes ahead: leave older turns out."
            )
            raise InvalidFields([field_error("occurred_at", "out_of_range", message, allowed)])
        return turn_of(self._keys, account, loaded)

    def store_many(self, target: Import, turns: Sequence[TurnTrace]) -> list[ImportOutcome]:
        """Store turns independently of each other; return the outcome of each, in order.

        For a turn that is stored already the outcome depends on the stored content:

        * the same content: False;
        * other content: a TurnConflict.
        """
        insertions = self._insert(target, turns)
        known = [
            turn.turn_key
            for turn, insertion in zip(turns, insertions, strict=True)
            if insertion is Insertion.DUPLICATE
        ]
        stored = self._store.find_turns(target.account, known) if known else {}

        def outcome(turn: TurnTrace, insertion: Insertion) -> ImportOutcome:
            if insertion is Insertion.REFUSED_BY_DATABASE:
                return ImportRefused()
            if insertion is Insertion.STORED:
                return True
            found = stored.get(turn.turn_key)
            return TurnConflict() if found and not turn.is_same_as(found) else False

        return [outcome(*pair) for pair in zip(turns, insertions, strict=True)]

    def store(
        self, account: str, bodies: Iterable[Any], quota_period: str, recorded_at_us: int
    ) -> int:
        """Store the turns in `bodies`, of any age; return the number of new ones.

        Each body is that of a recording. A turn that is stored already stays as it is. Raises
        InvalidFields for the first bad body; those before it are stored.
        """
        target = Import(account, quota_period, recorded_at_us)
        turns = (turn_of(self._keys, account, validation.load(_SCHEMA, body)) for body in bodies)
        counts: Counter[Insertion] = Counter()
        for chunk in chunked(turns):
            counts.update(self._insert(target, chunk))
        if counts[Insertion.REFUSED_BY_DATABASE]:
            raise RuntimeError("the database refused rows that the schema accepted")
        return counts[Insertion.STORED]

    def _insert(self, target: Import, turns: Sequence[TurnTrace]) -> list[Insertion]:
        rows = [
            turn.document(
                target.account,
                target.quota_period,
                recorded_at_us=target.recorded_at_us,
                relationship_counted=False,
                charged=0,
                uncharged=0,
                key_id=None,
            )
            for turn in turns
        ]
        return self._store.insert_many(rows)
