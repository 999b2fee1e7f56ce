"""Measure how late the archive is, for probes, metrics and commands."""

from dataclasses import dataclass

from app.admission.clock import LedgerClock
from app.http.durations import DAY_MS, HOUR_MS
from app.interactions.ids import lowest_ulid
from app.interactions.retention import RETENTION_MS
from app.usage.notes.store import PassNotes
from app.usage.store import UsageStore

# A day's first turn expires with its last, a day later, and the database deletes once a minute. A
# turn that is still stored an hour after that is an alarm.
OVER_RETAINED_MS = RETENTION_MS + DAY_MS + HOUR_MS
MAX_OVER_RETAINED = 1_000


@dataclass(frozen=True, slots=True)
class Health:
    """How late the archive is.

    - `lag_s`: seconds since the last complete sweep started; 0 when no turns are waiting. Before
      the first sweep, the time that one of the turns has waited.
    - `sweep_age_s`: seconds since the last complete sweep started, or None before the first.
    - `over_retained_turns`: stored turns older than 181 days and an hour, counted up to 1,000.
    - `organizations_at_fault`: organizations with stored data that the last passes could not use,
      counted up to 1,000.
    - `set_aside_turns`: turns that could not be summed so far.
    """

    lag_s: int
    sweep_age_s: int | None
    over_retained_turns: int
    organizations_at_fault: int = 0
    set_aside_turns: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of open turns of a day of an account; `app.usage` defines open."""

    account: str
    day: str
    turns: int


class ArchiveHealth:
    """Reads the state of the archive, by a few short look-ups; changes nothing."""

    def __init__(self, store: UsageStore, notes: PassNotes, clock: LedgerClock) -> None:
        self._store = store
        self._notes = notes
        self._clock = clock

    def list_waiting(self) -> list[Waiting]:
        """Return every day with open turns, and count its turns."""
        store = self._store
        return [
            Waiting(account, day, store.count_open(account, day))
            for account, day in store.open_days()
        ]

    def measure(self) -> Health:
        """Return how late the archive is."""
        now_us = self._clock.now_us()
        oldest = lowest_ulid(now_us // 1_000 - OVER_RETAINED_MS)
        open_us, swept_us = self._store.find_open_us(), self._notes.find_sweep_us()
        sweep_age_s = None if swept_us is None else _seconds(now_us - swept_us)
        lag_s = 0
        if open_us is not None:
            lag_s = _seconds(now_us - open_us) if sweep_age_s is None else sweep_age_s
        return Health(
            lag_s=lag_s,
            sweep_age_s=sweep_age_s,
            over_retained_turns=self._store.count_older(oldest, MAX_OVER_RETAINED),
            organizations_at_fault=len(self._notes.faults().organizations),
            set_aside_turns=self._notes.count_set_aside(),
        )

    def readings(self) -> dict[str, int]:
        """Return the figures of the metrics: how late the archive is, and all drift so far."""
        health = self.measure()
        drift = self._notes.drift()
        return {
            "archive_lag_seconds": health.lag_s,
            **(
                {}
                if health.sweep_age_s is None
                else {"archive_sweep_age_seconds": health.sweep_age_s}
            ),
            "over_retained_turns": health.over_retained_turns,
            "organizations_at_fault": health.organizations_at_fault,
            "contained_failures": self._notes.faults().failures,
            "set_aside_turns": health.set_aside_turns,
            **{f"quota_drift_{name}": count for name, count in drift._asdict().items()},
        }


def _seconds(duration_us: int) -> int:
    return max(duration_us, 0) // 1_000_000
