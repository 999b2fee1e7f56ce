"""State how long a turn is kept and can be read."""

from app.http.durations import DAY_MS

RETENTION_DAYS = 180
RETENTION_MS = RETENTION_DAYS * DAY_MS
