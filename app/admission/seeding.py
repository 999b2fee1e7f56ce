"""Fills a missing quota from the ledger: a lost counter is never zero."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from uuid import uuid4
from weakref import WeakValueDictionary

from redis.exceptions import LockError

from app.admission.chunks import chunked
from app.admission.keys import AccountKeys
from app.admission.ledger import PeriodLedger
from app.admission.policy import QuotaPolicy
from app.admission.replies import Status
from app.admission.script import AdmissionScript
from app.http.problems import Problem

WAIT_S = 1.0
POLL_S = 0.02
# Whoever dies while seeding holds the others up for so long; two seeders at once do no harm.
LOCK_S = 5.0
STAGING_MS = 60_000


class Seeder:
    """Counts a period once, however many ask for it at the same time.

    Needs a client with longer time-outs than a request's, and as many connections as there are
    threads. Charges in flight from before a wipe are counted or not; reconciliation mends that.
    """

    def __init__(self, script: AdmissionScript, ledger: PeriodLedger) -> None:
        self._script = script
        self._ledger = ledger
        self._guard = Lock()
        self._local_locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    def seed(self, keys: AccountKeys, quota: QuotaPolicy) -> None:
        """Make sure that the account's counters are there, by this call or another's.

        Problem `service_unavailable` if another seeder is not done within a second.
        """
        with self._alone(keys):
            if self._script.read(keys, quota.period).status is Status.NEED_SEED:
                self._count(keys, quota)

    @contextmanager
    def _alone(self, keys: AccountKeys) -> Iterator[None]:
        local = self._local_lock(keys)
        if not local.acquire(timeout=WAIT_S):
            raise Problem.unavailable()
        try:
            with self._shared_lock(keys):
                yield
        finally:
            local.release()

    def _local_lock(self, keys: AccountKeys) -> Lock:
        with self._guard:
            return self._local_locks.setdefault(keys.quota, Lock())

    @contextmanager
    def _shared_lock(self, keys: AccountKeys) -> Iterator[None]:
        lock = self._script.client.lock(
            keys.seeding,
            timeout=LOCK_S,
            sleep=POLL_S,
            blocking_timeout=WAIT_S,
        )
        if not lock.acquire():
            raise Problem.unavailable()
        try:
            yield
        finally:
            with suppress(LockError):  # it has expired, and another seeder may have it
                lock.release()

    def _count(self, keys: AccountKeys, quota: QuotaPolicy) -> None:
        account, quota_period = keys.account, keys.quota_period
        newest_recorded_at_us = self._ledger.newest_recorded_at_us(account, quota_period)
        turns = self._ledger.count_turns(account, quota_period)
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
        """Gather the relationships where they do not count yet, and tell how many there are."""
        count = 0
        for chunk in chunked(self._ledger.count_relationships(keys.account, keys.quota_period)):
            with self._script.client.pipeline() as pipeline:
                pipeline.hset(staging_key, mapping=dict(chunk))
                pipeline.pexpire(staging_key, STAGING_MS)
                pipeline.execute()
            count += len(chunk)
        return count
