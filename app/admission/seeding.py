"""Seed missing counters from the ledger: a lost counter is never zero."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock, Thread
from uuid import uuid4

from redis.exceptions import LockError

from app.admission.chunks import chunked
from app.admission.errors import AdmissionError, SeedingTimeout
from app.admission.keys import AccountKeys
from app.admission.ledger import PeriodLedger
from app.admission.policy import QuotaPolicy
from app.admission.script import AdmissionScript
from app.backends.outages import OUTAGES
from app.http.faults import AccountFault

WAIT_S = 1.0
POLL_S = 0.02
# A seeder that dies delays the others for so long; two seeders at once do no harm.
LOCK_S = 5.0
_LOCK_WAIT_S = LOCK_S + 1.0
STAGING_MS = 60_000
# As many as MongoDB's maintenance client has connections.
MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class _Seeding:
    """Work in progress, and its start (monotonic)."""

    done: Future[None]
    began_at_s: float


class Seeder:
    """Counts an account's period once, however many requests need it at the same time.

    Counting runs in a thread of its own, since a large account takes longer than a request may
    wait, through clients with longer timeouts than a request's. Charges in flight from before a
    loss of data are counted or not; reconciliation corrects that.
    """

    def __init__(self, script: AdmissionScript, ledger: PeriodLedger) -> None:
        self._script = script
        self._ledger = ledger
        self._guard = Lock()
        self._in_progress: dict[str, _Seeding] = {}

    def seed(self, keys: AccountKeys, quota: QuotaPolicy, wait_s: float = WAIT_S) -> None:
        """Wait until the account's counters are loaded, by this call or another's.

        Raises SeedingTimeout after `wait_s`, and at once if the work began longer ago than a second
        and `wait_s`: late requests need not wait as well. Raises also what the stores raise.
        """
        give_up_at_s = time.monotonic() + wait_s
        while True:
            seeding = self._seeding_of(keys, quota)
            until_s = min(give_up_at_s, seeding.began_at_s + max(wait_s, WAIT_S))
            try:
                return seeding.done.result(max(0.0, until_s - time.monotonic()))
            except TimeoutError:
                raise SeedingTimeout from None
            except SeedingTimeout:  # another process counts; a command waits for that, too
                if time.monotonic() >= give_up_at_s:
                    raise
                time.sleep(POLL_S)

    def _seeding_of(self, keys: AccountKeys, quota: QuotaPolicy) -> _Seeding:
        with self._guard:
            if keys.quota in self._in_progress:
                return self._in_progress[keys.quota]
            if len(self._in_progress) >= MOST_AT_ONCE:
                raise SeedingTimeout
            seeding = _Seeding(Future(), time.monotonic())
            work = (keys, quota, seeding.done)
            try:
                Thread(target=self._run, args=work, name="seeder", daemon=True).start()
            except RuntimeError:  # no thread can start
                raise SeedingTimeout from None
            self._in_progress[keys.quota] = seeding
        return seeding

    def _run(self, keys: AccountKeys, quota: QuotaPolicy, done: Future[None]) -> None:
        failure: Exception | None = None
        try:
            with self._shared_lock(keys):
                if not self._script.is_loaded(keys):
                    self._count(keys, quota)
        except Exception as error:  # for the waiting requests to judge
            is_known = isinstance(error, (*OUTAGES, AdmissionError, AccountFault))
            failure = error if is_known else _ledger_fault(keys, error)
        with self._guard:
            del self._in_progress[keys.quota]
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)

    @contextmanager
    def _shared_lock(self, keys: AccountKeys) -> Iterator[None]:
        lock = self._script.client.lock(
            keys.seeding,
            timeout=LOCK_S,
            sleep=POLL_S,
            blocking_timeout=_LOCK_WAIT_S,
        )
        if not lock.acquire():
            raise SeedingTimeout
        try:
            yield
        finally:
            with suppress(LockError):  # it has expired, and another seeder may have it
                lock.release()

    def _count(self, keys: AccountKeys, quota: QuotaPolicy) -> None:
        account, quota_period = keys.account, keys.quota_period
        newest_recorded_at_us = self._ledger.newest_recorded_at_us(account, quota_period)
        turns = self._ledger.count_turns(account, quota_period).charged
        staging_key = keys.staging(uuid4().hex)
        relationships_count = self._stage(keys, staging_key)
        self._script.seed(
            keys,
            quota,
            turns=turns,
            newest_recorded_at_us=newest_recorded_at_us,
            relationships_count=relationships_count,
            staging_key=staging_key,
        )

    def _stage(self, keys: AccountKeys, staging_key: str) -> int:
        """Gather the relationships in a key that does not count yet; return their number."""
        count = 0
        for chunk in chunked(self._ledger.count_relationships(keys.account, keys.quota_period)):
            self._script.stage(keys, staging_key, chunk, STAGING_MS)
            count += len(chunk)
        return count


def _ledger_fault(keys: AccountKeys, error: Exception) -> AccountFault:
    return AccountFault(
        keys.account,
        f"Its counters could not be counted from the ledger ({type(error).__name__}). Look for "
        f"damaged rows of the period {keys.quota_period} in the collection `interactions`.",
    )
