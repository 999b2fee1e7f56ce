"""Brings counters back to the ledger: mark, wait until what is in flight has settled, compare."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.admission.chunks import chunked
from app.admission.keys import QUOTA_PATTERN, AccountKeys, parse_quota_key
from app.admission.ledger import PeriodLedger
from app.admission.replies import Status, relationship_of
from app.admission.script import AdmissionScript
from app.backends.containment import Containment

SCAN_COUNT = 1_000

T = TypeVar("T")
R = TypeVar("R")
Correction = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One account's counters after reconciling, and how much it changed them (the drift)."""

    keys: AccountKeys
    turns_used: int
    turns_drift: int
    relationships_used: int
    relationships_drift: int


@dataclass(frozen=True, slots=True)
class _Mark:
    keys: AccountKeys
    mark_at_us: int
    references: dict[str, int]
    reserved: set[str]


class Reconciler:
    """Turns are exact after one pass, whatever was in flight, wiped or killed before it.

    One window remains: decision 4. Relationships in motion, or held by reservations, wait for a
    later pass.
    `deadline_s` is the time after which a request that charged has surely written or given up.
    """

    def __init__(self, script: AdmissionScript, ledger: PeriodLedger, deadline_s: float) -> None:
        self._script = script
        self._ledger = ledger
        self._deadline_s = deadline_s

    def list_accounts(self) -> list[AccountKeys]:
        """Every account and period that has counters in Redis."""
        names = self._script.client.scan_iter(match=QUOTA_PATTERN, count=SCAN_COUNT)
        return [keys for name in sorted(set(names)) if (keys := parse_quota_key(name))]

    def reconcile(
        self,
        accounts: Sequence[AccountKeys],
        wait: Callable[[float], None] = time.sleep,
        containment: Containment | None = None,
    ) -> list[Reconciliation]:
        """Reconcile `accounts`, which share one `wait` (seconds).

        Turns that the ledger has give back first what they still hold. Left out are accounts
        without sound counters, since their next call seeds them, those that another pass marked
        meanwhile, since that pass reconciles them, and those that fail for a reason of their own,
        which `containment` reports. An outage of a store passes through.
        """
        containment = containment or Containment()
        marks = list(_each(accounts, self._begin, lambda keys: keys, containment))
        if marks:
            wait(self._deadline_s)
        return list(_each(marks, self._compare, lambda mark: mark.keys, containment))

    def _begin(self, keys: AccountKeys) -> _Mark | None:
        self._release_stored(keys)
        return self._mark(keys)

    def _release_stored(self, keys: AccountKeys) -> None:
        """Give back what stored turns still hold: they were stored while Redis was ill."""
        holds = self._script.client.zscan_iter(keys.holds, count=SCAN_COUNT)
        for chunk in chunked(turn for turn, _ in holds):
            if stored := self._ledger.find_turns(keys.account, chunk):
                self._script.release(keys, stored)

    def _mark(self, keys: AccountKeys) -> _Mark | None:
        newest_us = self._ledger.newest_recorded_at_us(keys.account, keys.quota_period)
        mark_at_us = self._script.mark(keys, newest_us)
        if mark_at_us is None:
            return None
        scan = self._script.client.hscan_iter(keys.relationships, count=SCAN_COUNT)
        references = {name: int(references) for name, references in scan}
        return _Mark(keys, mark_at_us, references, self._reserved(keys))

    def _reserved(self, keys: AccountKeys) -> set[str]:
        """Relationships that reservations hold: the ledger cannot know their references."""
        client, names = self._script.client, set()
        for chunk in chunked(client.zscan_iter(keys.holds, count=SCAN_COUNT)):
            entries = client.hmget(keys.turns, [turn for turn, _ in chunk])
            names |= {relationship_of(entry) for entry in entries if entry}
        return names

    def _compare(self, mark: _Mark) -> Reconciliation | None:
        keys = mark.keys
        # Before the ledger is counted: what is settled from now on changes its references again.
        reserved = mark.reserved | self._reserved(keys)
        turns = self._ledger.count_turns(keys.account, keys.quota_period, mark.mark_at_us)
        reply = self._script.reconcile(keys, mark.mark_at_us, turns)
        if reply.status is not Status.DONE or reply.counters is None:
            return None
        drift = sum(
            self._script.mend(keys, mark.mark_at_us, chunk).results[0]
            for chunk in chunked(self._corrections(mark, reserved))
        )
        return Reconciliation(
            keys=keys,
            turns_used=reply.counters.turns_used,
            turns_drift=reply.results[0],
            relationships_used=reply.counters.relationships_used + drift,
            relationships_drift=drift,
        )

    def _corrections(self, mark: _Mark, reserved: set[str]) -> Iterator[Correction]:
        """Relationships with other references than the ledger: their id, as seen, and right.

        References that have not changed for a whole deadline have all settled; the script leaves
        alone those that have. Those that are `reserved` wait for a pass that finds them settled.
        """
        keys = mark.keys
        right = dict(self._ledger.count_relationships(keys.account, keys.quota_period))
        for relationship in (mark.references.keys() | right.keys()) - reserved:
            seen = mark.references.get(relationship, 0)
            if seen != right.get(relationship, 0):
                yield relationship, seen, right.get(relationship, 0)


def _each(
    those: Iterable[T],
    work: Callable[[T], R | None],
    keys_of: Callable[[T], AccountKeys],
    containment: Containment,
) -> Iterator[R]:
    """Yield what `work` returns for each of `those`, but None and failures left out."""
    for one in those:
        found = None
        with containment.of("account_not_reconciled", account=keys_of(one).account):
            found = work(one)
        if found is not None:
            yield found
