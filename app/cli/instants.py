"""Take instants from the command line."""

from typing import Any

import click

from app.http.instants import parse_ms


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
