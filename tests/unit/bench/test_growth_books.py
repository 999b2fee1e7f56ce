"""The simulation's last word: a turn too many or too few on any side is found."""

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.wiring import build
from bench.growth.books import Books, read_books
from config.settings import Settings
from tests.callers import new_caller
from tests.turns import body, stateful

ACME, OTHER = ("org_a:live", "2026-11-05"), ("org_b:live", "2026-11-09")


def test_books_that_agree_balance_and_idle_accounts_count_nothing() -> None:
    books = Books(7, {ACME: (7, 2)}, {ACME: (7, 2), OTHER: (0, 0)})
    assert books.require_balance(7) == 2


@pytest.mark.parametrize(
    ("books", "message"),
    [
        (Books(6, {ACME: (7, 2)}, {ACME: (7, 2)}), "accepted 7 turns, stored 6"),
        (Books(7, {ACME: (7, 2)}, {ACME: (8, 2)}), "differ"),
        (Books(7, {ACME: (7, 2)}, {ACME: (7, 1)}), "differ"),
        (Books(7, {ACME: (7, 2)}, {ACME: (7, 2), OTHER: (1, 0)}), "differ"),
        (Books(7, {ACME: (6, 2), OTHER: (1, 0)}, {ACME: (6, 2)}), "without counters"),
    ],
)
def test_books_that_do_not_agree_are_reported(books: Books, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        books.require_balance(7)


def test_books_are_read_from_both_stores(
    live_app: Flask, live_settings: Settings, live_backend: Backend
) -> None:
    services = build(live_settings, live_backend)
    caller, other = new_caller(live_app), new_caller(live_app)
    found = [stateful("rel_1"), stateful("rel_1"), stateful("rel_2"), body()]
    for each in found:
        assert caller.record(each).status_code == 201
    # Costs nothing, so it counts no relationship either.
    assert other.record(stateful("rel_3", status="failed")).status_code == 201

    books = read_books(services)

    assert books.rows_count == 5
    assert books.ledger[caller.account, caller.quota_period] == (4, 2)
    assert books.ledger[other.account, other.quota_period] == (0, 0)
    assert books.require_balance(5) == 2

    name = f"quota:{{{caller.organization.id}}}:live:{caller.quota_period}"
    live_backend.redis.hincrby(name, "turns_used", 1)
    with pytest.raises(AssertionError, match="differ"):
        read_books(services).require_balance(5)
