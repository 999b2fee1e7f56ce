"""Freeze the active relationships of billing periods, which do not add up from day to day."""

from collections.abc import Iterable, Iterator
from datetime import date

from app.admission.ledger import PeriodLedger
from app.backends.containment import Containment
from app.http.durations import DAY_US
from app.http.faults import AccountFault
from app.interactions.retention import RETENTION_DAYS
from app.tenancy.model import Environment, FoundOrganization, Organization, account_of
from app.tenancy.periods import Period, period_at
from app.usage.buckets import day_of
from app.usage.store import UsageStore

# No turn is charged to a period three days after its end:
# - a recording is charged to the current period;
# - a completion is charged to the period of its reservation, at most 49 hours after that: the
#   longest hold is an hour, and a finished turn may be sent for 48 hours.
# The counters in Redis are kept as long, so that the completion finds them: `KEPT_AFTER_PERIOD` of
# `app/admission/lua/quota.lua`. Change both together.
SETTLED_US = 3 * DAY_US
# All charged turns of a period that began so recently are still stored. A turn occurs at most 48
# hours before its charge, so the period's first one expires 178 days after the period began. The
# rest of the 40 days is a reserve.
FREEZABLE_US = (RETENTION_DAYS - 40) * DAY_US


class Freezer:
    """Freezes ended periods, once a day in this process: periods end with a day."""

    def __init__(self, store: UsageStore, ledger: PeriodLedger) -> None:
        self._store = store
        self._ledger = ledger
        self._froze_on: date | None = None
        self._failed: frozenset[str] = frozenset()

    def freeze(
        self, organizations: Iterable[FoundOrganization], now_us: int, containment: Containment
    ) -> None:
        """Freeze the ended periods of all organizations, or the same day of those that failed.

        An organization that fails does not stop the others; `containment` reports it. A plan that
        the file lacks is no failure: a period needs only the sign-up day.
        """
        today = day_of(now_us // 1_000)
        is_new_day = today != self._froze_on
        failed = set()
        for organization in organizations:
            if is_new_day or organization.id in self._failed:
                with containment.of("periods_not_frozen", account=organization.id) as attempt:
                    self._freeze(organization, now_us)
                if attempt.has_failed:
                    failed.add(organization.id)
        self._froze_on, self._failed = today, frozenset(failed)

    def _freeze(self, organization: FoundOrganization, now_us: int) -> None:
        signed_up_on = _require_sign_up(organization)
        for environment in Environment:
            account = account_of(organization.id, environment)
            frozen = self._store.frozen_periods(account)
            for period in _ended_periods(signed_up_on, now_us):
                if period.label not in frozen:
                    active = sum(1 for _ in self._ledger.count_relationships(account, period.label))
                    self._store.freeze_period(account, period.label, active)


def _require_sign_up(organization: FoundOrganization) -> date:
    if isinstance(organization, Organization):
        return organization.signed_up_on
    if organization.signed_up_on is None:
        raise AccountFault(organization.id, organization.reason)
    return organization.signed_up_on


def _ended_periods(signed_up_on: date, now_us: int) -> Iterator[Period]:
    """Yield the ended periods since sign-up whose turns are all still stored, newest first."""
    period = period_at(signed_up_on, now_us - SETTLED_US)
    while True:
        period = period_at(signed_up_on, period.start_us - 1)
        has_begun = period.start.date() >= signed_up_on
        if not has_begun or period.start_us < now_us - FREEZABLE_US:
            return
        yield period
