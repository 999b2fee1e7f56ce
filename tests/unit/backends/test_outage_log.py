"""A failing probe is logged once for each reason, not at every probe."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pymongo.errors import OperationFailure
from redis import exceptions as redis_errors
from structlog.testing import capture_logs

from app.backends.outage_log import REPEAT_AFTER_S, OutageLog
from app.backends.outages import OUTAGES, MongodbRefused, RedisCircuitOpen
from app.backends.reasons import NO_ANSWER, WRONG_CREDENTIALS


class Store:
    """A store whose probe raises the error that a test sets; None succeeds."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.error: Exception | None = None
        self.probe = OutageLog(lambda: self.now_s).watching("redis", self._answer)

    def lines(self, *errors: Exception | None) -> list[dict[str, Any]]:
        with capture_logs() as lines:
            for self.error in errors:
                with suppress(*OUTAGES):
                    self.probe()
        return [dict(line) for line in lines]

    def _answer(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def store() -> Store:
    return Store()


def wrong_password() -> redis_errors.AuthenticationError:
    return redis_errors.AuthenticationError("canary4711")


def test_a_reason_is_logged_once_and_again_after_a_minute(store: Store) -> None:
    (line,) = store.lines(*[wrong_password()] * 10)
    assert (line["event"], line["store"], line["reason"]) == (
        "probe_failed",
        "redis",
        WRONG_CREDENTIALS,
    )
    assert "canary4711" not in str(line)
    store.now_s = REPEAT_AFTER_S - 0.1
    assert store.lines(wrong_password()) == []
    store.now_s = REPEAT_AFTER_S
    assert len(store.lines(wrong_password())) == 1


def test_a_new_reason_and_a_recurring_one_are_logged_at_once(store: Store) -> None:
    lines = store.lines(
        wrong_password(), redis_errors.TimeoutError("x"), None, redis_errors.TimeoutError("x")
    )
    assert [line["reason"] for line in lines] == [WRONG_CREDENTIALS, NO_ANSWER, NO_ANSWER]


def test_an_open_breaker_is_not_logged_again(store: Store) -> None:
    assert store.lines(RedisCircuitOpen("open")) == []


def test_a_refused_mongodb_user_is_an_outage() -> None:
    def refuse() -> None:
        raise OperationFailure("canary4711", 18)

    probe: Callable[[], None] = OutageLog().watching("mongodb", refuse)
    with capture_logs() as lines, pytest.raises(MongodbRefused):
        probe()
    assert [line["reason"] for line in lines] == [WRONG_CREDENTIALS]
