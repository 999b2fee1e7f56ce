"""Take shares in per cent from the command line."""

from fractions import Fraction
from typing import Any

import click


class Percent(click.ParamType[Fraction]):
    """A share such as `80%`, from 0 to 1,000 per cent; the sign may be left out."""

    name = "PERCENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        """Return the share, 1 for `100%`; a usage error for anything else."""
        digits = str(value).removesuffix("%")
        whole, _, decimals = digits.partition(".")
        if digits.isascii() and whole.isdigit() and (decimals or "0").isdigit():
            share = Fraction(digits) / 100
            if share <= 10:
                return share
        return self.fail(f"{value!r} is not a share such as 80%.", param, ctx)
