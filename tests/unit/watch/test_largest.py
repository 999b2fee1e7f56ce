"""The accounts that are named in metrics: bounded, and read at most once a minute."""

from types import SimpleNamespace
from typing import Any

from app.tenancy.model import Environment
from app.watch.largest import KEPT_S, LargestAccounts


class Nearest:
    """Returns accounts with these numbers of turns, and counts how often it is asked."""

    def __init__(self, *turns: int, limit: int | None = 100) -> None:
        self.asked_count = 0
        self._turns, self._limit = turns, limit

    def list_(self, environments: list[Environment]) -> Any:
        assert environments == list(Environment)
        self.asked_count += 1
        accounts = [
            SimpleNamespace(
                organization=SimpleNamespace(id=f"org_{used}"),
                environment=Environment.LIVE,
                quota=SimpleNamespace(turns_used=used, turns_limit=self._limit),
            )
            for used in self._turns
        ]
        return SimpleNamespace(accounts=accounts)


def largest(nearest: Any, most_count: int, now_s: list[float] | None = None) -> LargestAccounts:
    return LargestAccounts(nearest, most_count, lambda: (now_s or [0.0])[0])


def test_the_largest_are_named_up_to_the_bound() -> None:
    figures = largest(Nearest(3, 9, 0, 7), 2).figures()
    used = {("org_9", "live"): 9, ("org_7", "live"): 7}
    assert figures["organization_turns_used"] == used
    assert figures["organization_turns_limit"] == dict.fromkeys(used, 100)


def test_accounts_without_a_turn_are_not_named_and_unlimited_ones_have_no_limit() -> None:
    figures = largest(Nearest(3, 0, limit=None), 50).figures()
    assert figures["organization_turns_used"] == {("org_3", "live"): 3}
    assert figures["organization_turns_limit"] == {}


def test_0_reads_nothing() -> None:
    nearest = Nearest(3)
    figures = largest(nearest, 0).figures()
    assert nearest.asked_count == 0
    assert not any(figures.values())


def test_counters_are_read_once_a_minute() -> None:
    nearest, now_s = Nearest(3), [0.0]
    read = largest(nearest, 50, now_s)
    for at_s, count in ((0.0, 1), (KEPT_S - 1, 1), (KEPT_S, 2)):
        now_s[0] = at_s
        read.list_()
        assert nearest.asked_count == count
