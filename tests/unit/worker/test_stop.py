"""A signal asks for the end, also while another signal is handled."""

import signal

import pytest

from app.worker.stop import Stop, Stopped


def test_a_second_signal_while_the_first_is_handled_does_not_block() -> None:
    """Signal again inside `Event.set`, where its lock is held."""
    stop = Stop()
    condition = stop._asked._cond
    notify_all = condition.notify_all
    signals: list[signal.Signals] = []

    def interrupt() -> None:
        assert condition._is_owned()  # type: ignore[attr-defined] # (a test of this very lock)
        signals.append(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        notify_all()

    condition.notify_all = interrupt  # type: ignore[method-assign]
    with stop.on_signals():
        signal.raise_signal(signal.SIGTERM)

    assert signals == [signal.SIGINT]
    with pytest.raises(Stopped):
        stop.wait(0)
