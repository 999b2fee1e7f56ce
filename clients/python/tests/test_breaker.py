"""The circuit breaker: how long it is open, and who tries then."""

import pytest
from turnledger import CircuitOpenError
from turnledger._core.breaker import Breaker


def test_calls_that_fail_at_the_same_time_open_it_for_five_seconds_only() -> None:
    now_s = [0.0]
    breaker = Breaker(lambda: now_s[0])
    for _ in range(32):
        breaker.unanswered()
    now_s[0] = 4.9
    with pytest.raises(CircuitOpenError):
        breaker.require_closed()
    now_s[0] = 5.0
    breaker.require_closed()


def test_each_try_that_fails_doubles_the_pause_up_to_a_minute() -> None:
    now_s = [0.0]
    breaker = Breaker(lambda: now_s[0])
    for _ in range(5):
        breaker.unanswered()
    pauses_s = []
    for _ in range(6):
        with pytest.raises(CircuitOpenError) as refused:
            breaker.require_closed()
        pauses_s.append(refused.value.retry_after_s)
        now_s[0] += pauses_s[-1]
        breaker.require_closed()
        breaker.unanswered()
    assert pauses_s == [5, 10, 20, 40, 60, 60]


def test_one_call_tries_and_an_answer_closes_it() -> None:
    now_s = [0.0]
    breaker = Breaker(lambda: now_s[0])
    for _ in range(5):
        breaker.unanswered()
    now_s[0] = 5.0
    breaker.require_closed()
    with pytest.raises(CircuitOpenError):
        breaker.require_closed()
    breaker.answered()
    breaker.require_closed()
