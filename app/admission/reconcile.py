"""Reconcile counters with the ledger: set a watermark, wait for requests in flight, compare."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.admission.chunks import chunked
from app.admission.keys import QUOTA_PATTERN, AccountKeys, parse_quota_key
from app.admission.ledger import PeriodLedger
from app.admission.relationships import ERASED_PREFIX
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
    uncharged_used: int
    uncharged_drift: int
    relationships_used: int
    relationships_drift: int


@dataclass(frozen=True, slots=True)
class _Watermark:
    keys: AccountKeys
    at_us: int
    references: dict[str, int]
    reserved: set[str]


class Reconciler:
    """Corrects counters: turns are exact after one pass, whatever happened before it.

    One window remains (ADR 4). Relationships that changed during the pass, or that reservations
    hold, wait for a later pass. After `deadline_s` seconds a request that has charged has either
    stored its turn or failed.
    """

    def __init__(self, script: AdmissionScript, ledger: PeriodLedger, deadline_s: float) -> None:
        self._script = script
        self._ledger = ledger
        self._deadline_s = deadline_s

    def list_accounts(self) -> list[AccountKeys]:
        """Return every account and period that has counters in Redis."""
        names = self._script.client.scan_iter(match=QUOTA_PATTERN, count=SCAN_COUNT)
        return [keys for name in sorted(set(names)) if (keys := parse_quota_key(name))]

    def reconcile(
        self,
        accounts: Sequence[AccountKeys],
        wait: Callable[[float], None] = time.sleep,
        containment: Containment | None = None,
    ) -> list[Reconciliation]:
        """Reconcile `accounts`, which share one `wait` (seconds).

        First, stored turns release what they still hold. These accounts are left out:

        * without valid counters: the next call seeds them,
        * with a newer watermark of another pass: that pass reconciles them,
        * that fail for a reason of their own, which `containment` reports.

        The error of a store that is unavailable passes through.
        """
        containment = containment or Containment()
        watermarks = list(_each(accounts, self._begin, lambda keys: keys, containment))
        if watermarks:
            wait(self._deadline_s)
        return list(_each(watermarks, self._compare, lambda watermark: watermark.keys, containment))

    def _begin(self, keys: AccountKeys) -> _Watermark | None:
        self._release_stored(keys)
        return self._set_watermark(keys)

    def _release_stored(self, keys: AccountKeys) -> None:
        """Release the holds of stored turns: these were stored while Redis was unavailable."""
        holds = self._script.client.zscan_iter(keys.holds, count=SCAN_COUNT)
        for chunk in chunked(turn for turn, _ in holds):
            if stored := self._ledger.find_turns(keys.account, chunk):
                self._script.release(keys, stored)

    def _set_watermark(self, keys: AccountKeys) -> _Watermark | None:
        newest_us = self._ledger.newest_recorded_at_us(keys.account, keys.quota_period)
        at_us = self._script.set_watermark(keys, newest_us)
        if at_us is None:
            return None
        scan = self._script.client.hscan_iter(keys.relationships, count=SCAN_COUNT)
        references = {name: int(references) for name, references in scan}
        return _Watermark(keys, at_us, references, self._reserved(keys))

    def _reserved(self, keys: AccountKeys) -> set[str]:
        """Return the relationships that reservations hold: the ledger has none of these."""
        client, names = self._script.client, set()
        for chunk in chunked(client.zscan_iter(keys.holds, count=SCAN_COUNT)):
            entries = client.hmget(keys.turns, [turn for turn, _ in chunk])
            names |= {relationship_of(entry) for entry in entries if entry}
        return names

    def _compare(self, watermark: _Watermark) -> Reconciliation | None:
        keys = watermark.keys
        # Before the ledger is counted: a reservation that ends later changes its references again.
        reserved = watermark.reserved | self._reserved(keys)
        counted = self._ledger.count_turns(keys.account, keys.quota_period, watermark.at_us)
        reply = self._script.reconcile(keys, watermark.at_us, counted)
        if reply.status is not Status.DONE or reply.counters is None:
            return None
        drift = sum(
            self._script.correct(keys, watermark.at_us, chunk).results[0]
            for chunk in chunked(self._corrections(watermark, reserved))
        )
        return Reconciliation(
            keys=keys,
            turns_used=reply.counters.turns_used,
            turns_drift=reply.results[0],
            uncharged_used=reply.counters.uncharged_used,
            uncharged_drift=reply.results[1],
            relationships_used=reply.counters.relationships_used + drift,
            relationships_drift=drift,
        )

    def _corrections(self, watermark: _Watermark, reserved: set[str]) -> Iterator[Correction]:
        """Yield each relationship whose references differ from the ledger's: name, seen, right.

        References that did not change for a whole deadline are final; the script skips those that
        changed. Those that are `reserved` wait for a later pass. The slots of erased relationships
        are not compared: no row names them.
        """
        keys = watermark.keys
        references, left_alone = watermark.references, set(reserved)
        right = {}
        counted = self._ledger.count_relationships(keys.account, keys.quota_period)
        for relationship, turns in counted:
            name, earlier = self._script.names.of(keys.account, relationship)
            if not reserved.isdisjoint((name, earlier)):
                left_alone |= {name, earlier}
            # As in `read_item` of the script: an earlier release may have counted it.
            right[earlier if earlier in references else name] = turns
        for name in (references.keys() | right.keys()) - left_alone:
            seen, wanted = references.get(name, 0), right.get(name, 0)
            if seen != wanted and not name.startswith(ERASED_PREFIX):
                yield name, seen, wanted


def _each(
    those: Iterable[T],
    work: Callable[[T], R | None],
    keys_of: Callable[[T], AccountKeys],
    containment: Containment,
) -> Iterator[R]:
    """Yield the results of `work`, without None and failures."""
    for one in those:
        found = None
        with containment.of("account_not_reconciled", account=keys_of(one).account):
            found = work(one)
        if found is not None:
            yield found
