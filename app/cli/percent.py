"""Read and show shares in per cent."""

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


def percent_text(per_mille: int, *, is_used: bool) -> str:
    """Return a share with one decimal, rounded down: `88.8 %`; `<0.1 %` just above 0."""
    if is_used and not per_mille:
        return "<0.1 %"
    return f"{per_mille / 10:,.1f} %"
