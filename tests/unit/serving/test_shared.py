"""The flags that the launcher shares with its workers."""

import os
from collections.abc import Callable, Iterator

import pytest

from app.serving import shared


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the process-wide state after each test."""
    monkeypatch.setattr(shared, "_given", [0])
    yield
    shared._memory[:] = bytes(3)


def in_worker(look: Callable[[], bool], meanwhile: Callable[[], None]) -> bool:
    """Fork, call `meanwhile` in the parent, and return the result of `look` in the child."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        os.read(read_end, 1)
        os._exit(look())
    meanwhile()
    os.write(write_end, b"x")
    os.close(read_end)
    os.close(write_end)
    return bool(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_order_to_end_affects_current_workers_only() -> None:
    assert not in_worker(shared.is_end_ordered, lambda: None)
    assert in_worker(shared.is_end_ordered, shared.order_end)
    assert not in_worker(shared.is_end_ordered, lambda: None)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_end_affects_every_worker_and_draining_is_not_the_end() -> None:
    assert not in_worker(shared.is_end_ordered, shared.begin_draining)
    assert in_worker(shared.is_draining, lambda: None)
    assert in_worker(shared.is_end_ordered, shared.begin_ending)
    assert in_worker(shared.is_end_ordered, lambda: None)
