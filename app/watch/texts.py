"""Write shares and limits as text, for commands and the console."""

from app.tenancy.plans import UNLIMITED


def share_text(part: int, whole: int) -> str:
    """Return a share with one decimal, rounded down, so that 100.0 % means all of it.

    Just above 0 it is `<0.1 %`. `whole` is greater than 0.
    """
    per_mille = part * 1_000 // whole
    if part > 0 and not per_mille:
        return "<0.1 %"
    return f"{per_mille // 10:,}.{per_mille % 10} %"


def limit_text(limit: int | str | None) -> str:
    """Return a limit: 60,000, unlimited, or a word as it is."""
    if limit is None:
        return UNLIMITED
    return limit if isinstance(limit, str) else f"{limit:,}"
