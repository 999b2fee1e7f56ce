"""Reservations on the wire."""

from typing import Any

from app.http.instants import format_ms
from app.reservations.service import Reservation
from app.tenancy.model import OveragePolicy
from app.usage.items import quota_item


def reservation_item(reservation: Reservation, overage_policy: OveragePolicy) -> dict[str, Any]:
    """Return a reservation on the wire; the quota is null while Redis is unavailable."""
    quota = reservation.decision.quota
    return {
        "interaction_id": reservation.interaction_id,
        "expires_at": format_ms(reservation.expires_at_us // 1_000),
        "quota": None if quota is None else quota_item(quota, overage_policy),
    }
