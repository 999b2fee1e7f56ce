"""Refused requests in memory: bounded, written together, kept through a short outage."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from app.request_log.model import RefusedRequest
from app.request_log.recorder import (
    ENTRIES,
    MOST_BATCHES,
    MOST_ENTRIES,
    MOST_OF_ORGANIZATION,
    MOST_OF_ORGANIZATION_OF_WINDOW,
    WINDOW,
    RequestRecorder,
)
from tests.unit.request_log.refusals import LIFETIME, NOW, Store, refusal

OUTAGE = AutoReconnect("mongodb://user:secret@host")


class NoThread:
    """Counts how often the recorder asks for a flush."""

    def __init__(self, _name: str, _flush: Callable[[], bool]) -> None:
        self.asked_count = 0

    def wake(self) -> None:
        self.asked_count += 1


@pytest.fixture
def store() -> Store:
    return Store()


def recorder_of(store: Any, **options: Any) -> RequestRecorder:
    make: Any = NoThread
    chosen = {"now": lambda: NOW, "make_flusher": make} | options
    return RequestRecorder(store, LIFETIME, **chosen)


@pytest.fixture
def recorder(store: Store) -> RequestRecorder:
    return recorder_of(store)


def counted(outcome: str) -> float:
    return ENTRIES.labels(outcome)._value.get()


def test_an_entry_holds_what_the_log_line_holds(recorder: RequestRecorder, store: Store) -> None:
    answer = refusal()
    recorder.note(answer)
    assert recorder.flush() is False
    (entry,) = store.entries
    assert entry == RefusedRequest(
        id=answer.request_id,
        at=NOW,
        organization_id="org_1",
        key_id="key_1",
        method="POST",
        route="/v1/interactions",
        status=429,
        error_code="rate_limit_exceeded",
        fields=("turn_id",),
        retry_after_s=3,
        duration_ms=1.235,
    )


@pytest.mark.parametrize(
    ("status", "is_kept"), [(200, False), (399, False), (400, True), (503, True)]
)
def test_only_refusals_are_kept(
    recorder: RequestRecorder, store: Store, status: int, *, is_kept: bool
) -> None:
    recorder.note(refusal(status=status))
    recorder.flush()
    assert len(store.entries) == is_kept
    flusher: Any = recorder._flusher
    assert flusher.asked_count == is_kept


def test_nothing_is_written_if_nothing_was_refused(recorder: RequestRecorder, store: Store) -> None:
    assert recorder.flush() is False
    assert store.batches == []


@pytest.mark.parametrize("organization", ["org_1", None])
def test_one_organization_has_a_bounded_part_of_a_batch(
    recorder: RequestRecorder, store: Store, organization: str | None
) -> None:
    before = counted("left_out")
    for _ in range(1_000):
        recorder.note(refusal(organization))
    recorder.note(refusal("org_2"))
    recorder.flush()
    kept = [entry.organization_id for entry in store.entries]
    assert kept == [organization] * MOST_OF_ORGANIZATION + ["org_2"]
    assert store.left_out == [(NOW, 1_000 - MOST_OF_ORGANIZATION)]
    assert counted("left_out") - before == 1_000 - MOST_OF_ORGANIZATION


def test_a_flood_of_many_organizations_is_bounded_in_memory_and_in_the_database(
    recorder: RequestRecorder, store: Store
) -> None:
    for number in range(10_000):
        recorder.note(refusal(f"org_{number}"))
    assert len(recorder._current.allowance.counts) <= MOST_ENTRIES
    recorder.flush()
    assert len(store.entries) == MOST_ENTRIES
    assert store.left_out == [(NOW, 10_000 - MOST_ENTRIES)]


def test_the_next_batch_has_room_again(recorder: RequestRecorder, store: Store) -> None:
    for _ in range(2):
        for _ in range(MOST_OF_ORGANIZATION):
            recorder.note(refusal())
        recorder.flush()
    assert len(store.entries) == 2 * MOST_OF_ORGANIZATION
    assert store.left_out == []


def test_a_long_flood_of_one_organization_is_bounded_and_others_are_kept(store: Store) -> None:
    recorder = recorder_of(store, now=lambda: store.now)
    for _ in range(MOST_OF_ORGANIZATION_OF_WINDOW):
        for _ in range(MOST_OF_ORGANIZATION + 1):
            recorder.note(refusal())
        recorder.note(refusal("org_2"))
        recorder.flush()
    kept = Counter(entry.organization_id for entry in store.entries)
    sent_count = MOST_OF_ORGANIZATION_OF_WINDOW * (MOST_OF_ORGANIZATION + 1)
    assert kept == dict.fromkeys(("org_1", "org_2"), MOST_OF_ORGANIZATION_OF_WINDOW)
    assert sum(count for _, count in store.left_out) == sent_count - kept["org_1"]

    store.now += WINDOW
    recorder.note(refusal())
    recorder.flush()
    assert len(store.entries) == kept.total() + 1


def test_entries_wait_for_an_unavailable_database(recorder: RequestRecorder, store: Store) -> None:
    first, second = refusal(), refusal()
    store.failure = OUTAGE
    recorder.note(first)
    assert recorder.flush() is True
    recorder.note(second)
    assert recorder.flush() is True
    store.failure = None
    assert recorder.flush() is False
    assert [entry.id for entry in store.entries] == [first.request_id, second.request_id]


def test_entries_that_wait_too_long_are_lost_and_counted(
    recorder: RequestRecorder, store: Store
) -> None:
    before = counted("lost")
    store.failure = OUTAGE
    for _ in range(MOST_BATCHES + 3):
        recorder.note(refusal())
        assert recorder.flush() is True
    assert counted("lost") - before == 3
    store.failure = None
    recorder.flush()
    assert len(store.entries) == MOST_BATCHES


def test_an_open_circuit_breaker_is_asked_before_each_batch(store: Store) -> None:
    def require_closed() -> None:
        raise OUTAGE

    recorder = recorder_of(store, require_store=require_closed)
    assert recorder.flush() is False
    recorder.note(refusal())
    assert recorder.flush() is True
    assert store.batches == []


def test_another_failure_loses_the_batch_and_is_logged_without_its_text(
    recorder: RequestRecorder, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = counted("lost")
    store.failure = ValueError("a secret")
    recorder.note(refusal())
    assert recorder.flush() is False
    assert counted("lost") - before == 1
    written = capsys.readouterr().out
    assert "request_log_not_written" in written
    assert "secret" not in written
    store.failure = None
    assert recorder.flush() is False
    assert store.entries == []
