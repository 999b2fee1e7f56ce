"""A forked child waits for no lock that a thread of its parent held."""

from turnledger.testing import FakeLedger


def test_a_child_has_free_locks_of_the_connection_and_of_the_breaker() -> None:
    with FakeLedger().ledger() as ledger:
        exchange, keeper = ledger._http, ledger.keeper
        held = keeper.breaker._lock
        with exchange._lock, held:
            exchange.after_fork_in_child()
            keeper.after_fork_in_child()
            assert not exchange._lock.locked()
            assert keeper.breaker._lock is not held
