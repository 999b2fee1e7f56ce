"""When a refused turn fits, found by trying one instant after the other."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from app.admission.decision import TurnCharge, Verdict
from app.admission.policy import QuotaPolicy
from tests.unit.admission.values import Entry, Fields


class Account(Protocol):
    """The state of the oracle's account."""

    now: int
    references: dict[str, int]
    turns: dict[str, Entry]
    holds: dict[str, int]

    @property
    def loaded(self) -> Fields: ...


def with_waits(
    account: Account,
    items: Sequence[TurnCharge],
    quota: QuotaPolicy,
    values: Sequence[int],
    most: int | None = None,
) -> list[int]:
    """Return `values`, three for each item, with the instant at which a refused one fits."""
    filled = list(values)
    for number, item in enumerate(items):
        verdict = Verdict(filled[3 * number])
        if verdict.is_exhausted and verdict is not Verdict.UNCHARGED_EXHAUSTED:
            filled[3 * number + 1] = fits_at(account, item, quota, most)
    return filled


def fits_at(account: Account, item: TurnCharge, quota: QuotaPolicy, most: int | None) -> int:
    """Return the first instant at which both quotas and the number of reservations allow the item.

    Reservations expire meanwhile and nothing else happens; 0 if that never helps.
    """
    instants = [account.now, *sorted(account.holds.values())]
    fitting = (at for at in instants if _fits(account, item, quota, most, at))
    return next(fitting, 0)


def _fits(
    account: Account, item: TurnCharge, quota: QuotaPolicy, most: int | None, at: int
) -> bool:
    live = {turn for turn, until in account.holds.items() if until > at}
    taken = account.loaded.used + len(live - {item.turn_key}) + item.turns
    references = dict(_references_at(account, live))
    name = item.relationship_id or ""
    return (
        (quota.turns_limit < 0 or quota.overage_allowed or taken <= quota.turns_limit)
        and (not name or name in references or len(references) < quota.relationships_limit)
        and (most is None or len(live) < most)
    )


def _references_at(account: Account, live: set[str]) -> Iterator[tuple[str, int]]:
    """Return the references that are left once only the holds of `live` are."""
    ended = [account.turns[turn].relationship for turn in account.holds.keys() - live]
    for name, count in account.references.items():
        if count > ended.count(name):
            yield name, count - ended.count(name)
