"""Run the worker of an application for one pass of each chore."""

import os
import signal
from threading import Barrier

import pytest

from app.worker.chores import PERIOD_S
from app.worker.stop import Stop

CHORES = ("archive", "reconcile", "remove_keys")
TIMEOUT_S = 60
_wait = Stop.wait


def end_after_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send SIGTERM to this process once every chore waits for its next pass."""
    all_wait = Barrier(len(CHORES), lambda: os.kill(os.getpid(), signal.SIGTERM), TIMEOUT_S)

    def wait(stop: Stop, seconds: float) -> None:
        if seconds == PERIOD_S:
            all_wait.wait()
        _wait(stop, seconds)

    monkeypatch.setattr(Stop, "wait", wait)
