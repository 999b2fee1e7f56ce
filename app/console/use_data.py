"""The most used component of an account in lists, and its bar."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.admission.decision import QuotaState
from app.console.charts.quota_bar import QuotaBar, quota_bar
from app.http.instants import format_us
from app.tenancy.model import Limits
from app.watch.uses import Use


def use_data(use: Use, quota: QuotaState, limits: Limits) -> dict[str, Any]:
    """Return a use as a row; `taken` is what is used and held together."""
    return {
        "component": use.component,
        "used": use.used - use.held,
        "held": use.held,
        "taken": use.used,
        "limit": use.limit,
        "left": use.limit - use.used,
        "per_mille": use.per_mille,
        "resets_at": format_us(quota.period_end_us),
        "overage": limits.overage_policy.value,
        "state": use.state,
    }


def use_bars(uses: Iterable[Mapping[str, Any] | None]) -> list[QuotaBar | None]:
    """Return the bar of each row; None for one without counters."""
    return [quota_bar(use["used"], use["held"], use["limit"]) if use else None for use in uses]
