"""Bringing in turns of the past, which charge no quota."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from app.admission.chunks import chunked
from app.http import offences
from app.interactions.ids import TurnKeys
from app.interactions.recording import turn_of
from app.interactions.schemas import TurnSchema
from app.interactions.store import Insertion, InteractionStore

_SCHEMA = TurnSchema()


class HistoryImport:
    """Stores finished turns that were told late."""

    def __init__(self, store: InteractionStore, keys: TurnKeys) -> None:
        self._store = store
        self._keys = keys

    def store(
        self, account: str, bodies: Iterable[Any], quota_period: str, recorded_at_us: int
    ) -> int:
        """Store the turns in `bodies`, which are as in a recording but may be old.

        Returns how many are new: a turn that is stored already stays as it is. Raises a validation
        problem for the first bad body; those before it are stored.
        """
        rows = (
            turn_of(self._keys, account, offences.load(_SCHEMA, body)).document(
                account,
                quota_period,
                recorded_at_us=recorded_at_us,
                relationship_counted=False,
                charged=0,
            )
            for body in bodies
        )
        counts: Counter[Insertion] = Counter()
        for chunk in chunked(rows):
            counts.update(self._store.insert_many(chunk))
        if counts[Insertion.REFUSED]:
            raise RuntimeError("the database refused rows that the schema accepted")
        return counts[Insertion.STORED]
