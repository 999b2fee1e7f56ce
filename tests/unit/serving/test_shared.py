"""What the launcher tells its workers through memory."""

import os
from collections.abc import Callable, Iterator

import pytest

from app.serving import shared


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The state is of the whole process: it is as it was after each test."""
    monkeypatch.setattr(shared, "_given", [0])
    yield
    shared._memory[:] = bytes(3)


def in_worker(look: Callable[[], bool], meanwhile: Callable[[], None]) -> bool:
    """Fork, do something in the parent, and return what the child sees then."""
    goes_on, tells = os.pipe()
    child = os.fork()
    if not child:
        os.read(goes_on, 1)
        os._exit(look())
    meanwhile()
    os.write(tells, b"x")
    os.close(goes_on)
    os.close(tells)
    return bool(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_order_to_end_is_for_the_workers_of_now() -> None:
    assert not in_worker(shared.is_end_ordered, lambda: None)
    assert in_worker(shared.is_end_ordered, shared.order_end)
    assert not in_worker(shared.is_end_ordered, lambda: None)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_end_is_for_every_worker_and_the_drain_before_it_is_not_the_end() -> None:
    assert not in_worker(shared.is_end_ordered, shared.begin_draining)
    assert in_worker(shared.is_draining, lambda: None)
    assert in_worker(shared.is_end_ordered, shared.begin_ending)
    assert in_worker(shared.is_end_ordered, lambda: None)
