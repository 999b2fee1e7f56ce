"""Take instants and durations from the command line."""

import re
from datetime import timedelta
from typing import Any

import click

from app.http.instants import parse_ms

_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MAX_DURATION = timedelta(days=365)


class InstantMs(click.ParamType[int]):
    """A day, or an instant with its zone, in milliseconds since 1970."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the instant; a day is its first instant in UTC."""
        if isinstance(value, int):
            return value
        try:
            return parse_ms(str(value), allow_date=True)
        except ValueError:
            example = "write it as 2026-11-23 or 2026-11-23T18:00:00Z."
            return self.fail(f"{value!r} is no date: {example}", param, ctx)


class Duration(click.ParamType[timedelta]):
    """A number of seconds, minutes, hours or days, such as `90m`; a year at most."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the duration; a usage error for anything else."""
        if isinstance(value, timedelta):
            return value
        found = _DURATION.fullmatch(str(value))
        duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
        if duration is None or duration > MAX_DURATION:
            return self.fail(
                f"{value!r} is none; write 30s, 90m, 24h or 7d, at most 365d.", param, ctx
            )
        return duration
