"""State how long after a reservation its turn may be completed or cancelled."""

from app.admission.policy import MAX_HOLD_S
from app.http.durations import HOUR_MS
from app.interactions.recording import OLDEST_MS

# A turn may be completed until two days after the longest hold.
OLDEST_RESERVATION_MS = OLDEST_MS + MAX_HOLD_S * 1_000
OLDEST_RESERVATION_HOURS = OLDEST_RESERVATION_MS // HOUR_MS
