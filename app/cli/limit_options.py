"""Options of commands that set limits of an organization."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from app.tenancy.model import OveragePolicy
from app.tenancy.plans import BOUNDS, UNLIMITED

Command = TypeVar("Command", bound=Callable[..., Any])
# As Python writes numbers: 60000 or 60_000.
_NUMBER = re.compile(r"[0-9]+(_[0-9]+)*")


class Ceiling(click.ParamType[int | str]):
    """A whole number, or the word `unlimited`."""

    name = f"N|{UNLIMITED}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number or the word; a usage error for anything else."""
        text = str(value)
        if text == UNLIMITED:
            return UNLIMITED
        if _NUMBER.fullmatch(text):
            return int(text)
        return self.fail(f"{value!r} is neither a whole number nor '{UNLIMITED}'.", param, ctx)


_OPTIONS = (
    click.option(
        "--requests-per-second",
        type=click.IntRange(*BOUNDS["requests_per_second"]),
        help="Its own rate.",
    ),
    click.option("--burst", type=click.IntRange(*BOUNDS["burst"]), help="Its own bucket size."),
    click.option("--turns", type=Ceiling(), help="Turns in a billing period."),
    click.option(
        "--active-relationships", type=Ceiling(), help="Relationships in a billing period."
    ),
    click.option(
        "--uncharged-turns",
        type=click.IntRange(*BOUNDS["uncharged_turns"]),
        help="Turns that cost nothing; else the plan's, or as many as turns, at most 1,000,000.",
    ),
    click.option(
        "--overage",
        "overage_policy",
        type=click.Choice([policy.value for policy in OveragePolicy]),
        help="Behaviour at the end of the quota.",
    ),
)


def limit_options(command: Command) -> Command:
    """Add an option for each limit that an organization may have of its own."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def named_limits(options: Mapping[str, int | str | None]) -> dict[str, int | str]:
    """Return the limits whose options were given."""
    return {name: value for name, value in options.items() if value is not None}
