"""Both stores behave alike: the same tests, on a file and in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from turnledger._core.values import State
from turnledger.errors import OutboxFullError
from turnledger.types import Counts

from tests.clients.outboxes import NOW_MS, Box, body, box_of, names, record, rows
from tests.forks import in_child

# Python 3.12 warns of each fork beside a thread; forks are what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(params=["file", "memory"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    with box_of(request.param, tmp_path) as made:
        yield made


def test_nothing_is_opened_before_the_first_call(box: Box) -> None:
    box.make()
    assert not box.path.parent.exists()


def test_an_open_turn_is_not_sent(box: Box) -> None:
    store = box.make()
    store.open("t1", body("t1", "failed"))
    assert rows(store) == []
    assert store.counts() == Counts(open=1, waiting=0, refused=0)


def test_an_ended_turn_is_sent_as_it_ended(box: Box) -> None:
    store = box.make()
    seq = store.open("t1", body("t1", "failed"), "int_1")
    store.end(seq, State.COMPLETE, body("t1"))
    (row,) = rows(store)
    assert (row.seq, row.turn_id, row.interaction_id) == (seq, "t1", "int_1")
    assert (row.state, row.body, row.tries) == (State.COMPLETE, body("t1"), 0)
    assert store.counts() == Counts(open=0, waiting=1, refused=0)


def test_a_turn_ends_once(box: Box) -> None:
    store = box.make()
    seq = store.open("t1", body("t1", "failed"))
    store.end(seq, State.RECORD, body("t1"))
    store.end(seq, State.RECORD, body("t1", "timed_out"))
    assert [row.body for row in rows(store)] == [body("t1")]


def test_a_dropped_turn_is_gone(box: Box) -> None:
    store = box.make()
    seq = store.open("t1", body("t1"))
    store.drop(seq)
    store.end(seq, State.RECORD, body("t1"))
    added = record(store, "t2")
    store.drop(added)
    assert store.counts() == Counts(open=0, waiting=0, refused=0)
    assert store.waiting() == 0


def test_a_number_is_never_used_twice_although_the_clock_jumps_back(box: Box) -> None:
    store = box.make()
    first = record(store, "t1")
    store.delivered([first])
    box.clock.now_ms -= 3 * 86_400_000
    assert record(store, "t2") > first


def test_the_oldest_turns_are_sent_first(box: Box) -> None:
    store = box.make()
    for name in ("t1", "t2", "t3"):
        record(store, name)
    assert [row.turn_id for row in rows(store, limit=2)] == ["t1", "t2"]


def test_delivered_turns_are_gone(box: Box) -> None:
    store = box.make()
    seqs = [record(store, f"t{number}") for number in range(3)]
    store.delivered(seqs[:2])
    assert names(store) == ["t2"]


def test_a_postponed_turn_waits(box: Box) -> None:
    store = box.make()
    seq = record(store, "t1")
    record(store, "t2")
    store.postpone([seq], NOW_MS + 1)
    assert names(store) == ["t2"]
    assert store.first_due_ms() == 0
    assert names(store, NOW_MS + 1) == ["t1", "t2"]
    assert [row.tries for row in rows(store, NOW_MS + 1)] == [1, 0]


def test_postponed_turns_are_due_after_the_clock_was_set_back(box: Box) -> None:
    store = box.make()
    store.postpone([record(store, "t1")], NOW_MS + 1)
    store.hasten()
    assert names(store, NOW_MS - 1) == ["t1"]


def test_a_refused_turn_is_kept_with_its_reason(box: Box) -> None:
    store = box.make()
    store.refuse([(record(store, "t1"), "409 other_content")])
    assert rows(store) == []
    assert [(each.turn_id, each.reason) for each in store.refused()] == [
        ("t1", "409 other_content")
    ]
    assert store.counts() == Counts(open=0, waiting=0, refused=1)


def test_refused_turns_then_uncharged_ones_make_room(box: Box) -> None:
    store = box.make(max_turns=3)
    record(store, "charged")
    record(store, "failed", "failed")
    store.refuse([(record(store, "refused"), "400")])
    record(store, "next")
    assert list(store.refused()) == []
    record(store, "last")
    assert names(store) == ["charged", "next", "last"]
    assert store.evicted == 2


def test_a_full_outbox_keeps_what_is_charged_or_open(box: Box) -> None:
    store = box.make(max_turns=2)
    record(store, "charged")
    seq = store.open("open", body("open", "failed"))
    with pytest.raises(OutboxFullError, match="holds 2 turns"):
        record(store, "more")
    store.end(seq, State.RECORD, body("open"))
    assert names(store) == ["charged", "open"]


def test_a_full_outbox_takes_turns_again_once_one_is_delivered(box: Box) -> None:
    store = box.make(max_turns=1)
    seq = record(store, "charged")
    with pytest.raises(OutboxFullError):
        record(store, "more")
    store.delivered([seq])
    assert record(store, "more")


def test_a_full_outbox_is_searched_again_after_ten_seconds(box: Box) -> None:
    store = box.make(max_turns=1)
    record(store, "charged")
    with pytest.raises(OutboxFullError):
        record(store, "more")
    searched: list[int] = []
    store._table.make_room = lambda count: searched.append(count) or 0  # type: ignore
    for moved_ms in (0, 9_999, 1):
        box.clock.now_ms += moved_ms
        with pytest.raises(OutboxFullError):
            record(store, "more")
    assert searched == [1]


def test_closing_and_using_it_again_is_allowed(box: Box) -> None:
    store = box.make()
    record(store, "t1")
    store.close()
    record(store, "t2")
    assert names(store) == ["t2"]


def test_threads_may_share_it(box: Box) -> None:
    store = box.make(max_turns=1_000)

    def produce(number: int) -> None:
        for each in range(50):
            seq = store.open(f"{number}-{each}", body("lost", "failed"))
            store.end(seq, State.RECORD, body(f"{number}-{each}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(produce, range(4)))
    assert len({row.turn_id for row in rows(store)}) == 200


def test_a_forked_child_has_no_rows_of_its_parent(box: Box) -> None:
    store = box.make()
    opened = store.open("open", body("open", "failed"))
    record(store, "parent")

    def end_and_record() -> None:
        store.end(opened, State.RECORD, body("open"))
        record(store, "child")
        assert names(store) == ["child"]

    assert in_child(end_and_record) == 0
    store.end(opened, State.RECORD, body("open"))
    assert names(store) == ["open", "parent"]
