"""Lengths of an hour and of a day, in the units of instants."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOUR_US = HOUR_MS * 1_000
DAY_US = DAY_MS * 1_000
