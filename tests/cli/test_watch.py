"""The worker's loop: it repeats, survives an ill store, and ends when it is asked to."""

import os
import signal
from collections.abc import Callable

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.cli.watch import Stopped, Watch

Wait = Callable[[float], None]


def test_work_repeats_until_sigterm_and_then_the_handlers_are_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    passes: list[int] = []

    def work(_wait: Wait) -> None:
        passes.append(len(passes))
        if len(passes) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    Watch(every_s=0).run(work)

    assert passes == [0, 1, 2]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_wait_inside_the_work_ends_at_once() -> None:
    reached: list[str] = []

    def work(wait: Wait) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            wait(3_600)
        reached.append("the exception, not the hour")

    Watch(every_s=0).run(work)

    assert reached == ["the exception, not the hour"]


def test_an_ill_store_costs_one_pass_and_not_the_worker(capsys: pytest.CaptureFixture[str]) -> None:
    passes: list[int] = []

    def work(_wait: Wait) -> None:
        passes.append(len(passes))
        if len(passes) == 1:
            raise RedisConnectionError("secret address")
        os.kill(os.getpid(), signal.SIGTERM)

    Watch(every_s=0).run(work)

    assert len(passes) == 2
    assert "secret address" not in capsys.readouterr().out
