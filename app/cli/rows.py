"""Bound the rows of a table, name its organizations, and count what is left out."""

from collections.abc import Mapping, Sequence

import click

from app.http.application import provided
from app.tenancy.model import Organization
from app.tenancy.service import Organizations

# Longer names make a table wider than a terminal; an id has as many characters.
_MOST_CHARACTERS = 30

rows_option = click.option(
    "--rows",
    "rows_count",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="Show at most so many.",
)


def shown_names(organizations: Sequence[Organization]) -> Mapping[str, str]:
    """Return by id the name that commands take for each organization.

    It is the id for a long name, one that several have, listed or not, and one that looks like an
    id.
    """
    repeated = provided(Organizations).repeated_names({each.name for each in organizations})
    return {
        each.id: each.name if _is_short(each.name) and each.name not in repeated else each.id
        for each in organizations
    }


def _is_short(name: str) -> bool:
    return len(name) <= _MOST_CHARACTERS and not name.startswith("org_")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 account`, `2,000 accounts`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
