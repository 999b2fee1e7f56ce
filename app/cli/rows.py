"""Bound the rows of a table, and count what is left out."""

import click

rows_option = click.option(
    "--rows",
    "rows_count",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="Show at most so many.",
)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 account`, `2,000 accounts`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
