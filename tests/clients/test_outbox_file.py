"""Try what only a file can do: outlive its process, be shared, be damaged."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from turnledger._core.values import Account, State
from turnledger._outbox import statements
from turnledger._outbox.adopting import damaged_files, read_damaged
from turnledger._outbox.networks import network_type
from turnledger.errors import OutboxError
from turnledger.types import Counts

from tests.clients.outboxes import ACCOUNT, Box, body, box_of, names, record, rows
from tests.forks import fork, in_child

NEW_KEY = Account(ACCOUNT.base_url, "b" * 16)

# Python 3.12 warns of each fork beside a thread; forks are what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with box_of("file", tmp_path) as made:
        yield made


def in_dying_process(box: Box, *, key: Account = ACCOUNT) -> None:
    """Leave one open, one reserved and one waiting turn, as a process killed by -9 does."""

    def leave() -> None:
        store = box.make(key)
        store.open("open", body("open", "failed", error_code="producer_lost"))
        store.open("reserved", body("reserved", "failed", error_code="producer_lost"), "int_1")
        record(store, "waiting")

    assert in_child(leave) == 0


def test_folder_and_files_are_for_their_owner_alone(box: Box) -> None:
    record(box.make(), "t1")
    folder = box.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_it_has_a_header_of_its_own(box: Box) -> None:
    box.make().counts()
    with sqlite3.connect(box.path) as connection:
        read = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode")
        ]
    connection.close()
    assert read == [0x544C4544, 1, "wal"]


def test_turns_of_a_killed_process_are_taken_over(box: Box) -> None:
    in_dying_process(box)
    store = box.make()
    assert store.take_over() == 3
    assert [(row.turn_id, row.state) for row in rows(store)] == [
        ("open", State.RECORD),
        ("reserved", State.COMPLETE),
        ("waiting", State.RECORD),
    ]
    assert "producer_lost" in rows(store)[0].body
    assert store.take_over() == 0


def test_the_lock_files_of_dead_processes_are_removed(box: Box) -> None:
    in_dying_process(box)
    store = box.make()
    store.take_over()
    assert len(list(box.path.parent.glob("*.owner-*"))) == 1
    store.delivered([row.seq for row in rows(store)])
    store.close()
    assert list(box.path.parent.glob("*.owner-*")) == []


def test_nothing_is_taken_from_a_process_that_lives(box: Box) -> None:
    first, second = box.make(), box.make()
    record(first, "t1")
    assert second.take_over() == 0
    assert names(first) == ["t1"]
    first.close()
    assert second.take_over() == 1
    assert names(second) == ["t1"]


def test_a_child_that_outlives_its_parent_does_not_hold_its_lock(box: Box) -> None:
    reader, writer = os.pipe()

    def wait_for_the_test() -> None:
        os.close(writer)
        os.read(reader, 1)

    def leave_a_child() -> None:
        record(box.make(), "parent")
        fork(wait_for_the_test)

    assert in_child(leave_a_child) == 0
    os.close(reader)
    assert box.make().take_over() == 1
    os.close(writer)


def test_rows_are_found_although_their_lock_file_was_removed(box: Box) -> None:
    in_dying_process(box)
    for path in box.path.parent.glob("*.owner-*"):
        path.unlink()
    assert box.make().take_over() == 3


def test_another_key_sends_them_only_for_the_same_organization(box: Box) -> None:
    in_dying_process(box)
    old, new = box.make(), box.make(NEW_KEY)
    assert new.take_over() == 0
    old.identify("org_1", "live")
    new.identify("org_1", "test")
    assert new.take_over() == 0
    new.identify("org_1", "live")
    assert not new.needs_identity()
    assert new.take_over() == 3
    assert old.counts() == new.counts() == Counts(open=0, waiting=3, refused=0)


def test_the_same_organization_at_another_address_is_another_account(box: Box) -> None:
    in_dying_process(box)
    box.make().identify("org_1", "live")
    other = box.make(Account("http://copy.test", "c" * 16))
    assert other.needs_identity()
    other.identify("org_1", "live")
    assert other.take_over() == 0


def test_a_damaged_file_is_renamed_and_a_new_one_begun(box: Box) -> None:
    box.path.parent.mkdir()
    box.path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    store = box.make()
    record(store, "t1")
    assert names(store) == ["t1"]
    (damaged,) = damaged_files(box.path)
    assert damaged.read_bytes().startswith(b"no database")


def test_a_file_that_is_damaged_later_is_replaced_in_the_same_call(box: Box) -> None:
    store = box.make(max_turns=1_000)
    opened = store.open("later", body("later", "failed"))
    for number in range(300):
        record(store, f"t{number}")
    store.before_fork()  # closes the file, and writes its log into it
    with box.path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 4096)
    store.after_fork_in_parent()
    assert len(rows(store)) == 0
    store.end(opened, State.RECORD, body("later"))
    assert names(store) == ["later"]
    (damaged,) = damaged_files(box.path)
    assert 200 < len(read_damaged(damaged).turns) < 301


def test_the_file_of_another_program_is_left_alone(box: Box) -> None:
    box.path.parent.mkdir()
    with sqlite3.connect(box.path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(OutboxError, match="belongs to another program"):
        record(box.make(), "t1")
    assert damaged_files(box.path) == []


def test_the_file_of_a_newer_version_is_left_alone(box: Box) -> None:
    record(box.make(), "t1")
    with sqlite3.connect(box.path) as connection:
        connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(OutboxError, match="newer turnledger"):
        record(box.make(), "t1")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with box_of("file", tmp_path) as box, pytest.raises(OutboxError, match="cannot be opened"):
        record(box.make(), "t1")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/mnt/share/app/outbox.db", "nfs4"), ("/var/lib/outbox.db", None), ("/a b/x", "cifs")],
)
def test_network_disks_are_recognised(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nserver:/x /mnt/share nfs4 rw 0 0\n//s /a\\040b cifs rw 0 0\n"
    )
    assert network_type(Path(path), mounts) == kind


def test_the_statements_need_nothing_newer_than_sqlite_3_24() -> None:
    texts = " ".join(
        value
        for name, value in vars(statements).items()
        if name.isupper() and isinstance(value, str)
    ).upper()
    newer = ("RETURNING", " OVER ", "STRICT", "MATERIALIZED", "->", "IIF(", "GENERATED", "FILTER")
    assert [word for word in newer if word in texts] == []


def test_only_the_sender_copies_the_log_into_the_database(box: Box) -> None:
    store = box.make(max_turns=10_000)
    for number in range(1_100):
        record(store, f"t{number}")
    before = box.path.stat().st_size
    store.checkpoint()
    assert before < 16_384 < box.path.stat().st_size
    record(store, "next")
    assert len(rows(store, limit=2_000)) == 1_101


def test_a_process_that_is_frozen_in_a_transaction_costs_the_others_little(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "BUSY_TIMEOUT_S", 0.1)
    store = box.make()
    record(store, "t1")
    with closing(sqlite3.connect(box.path, isolation_level=None)) as frozen:
        frozen.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(OutboxError, match="is locked"):
                record(store, "t2")
            assert busy_timeout_ms(store) == 50
        frozen.execute("ROLLBACK")
    record(store, "t3")
    assert busy_timeout_ms(store) == 100
    assert names(store) == ["t1", "t3"]


def busy_timeout_ms(store: Any) -> int:
    (milliseconds,) = store._table._connection.execute("PRAGMA busy_timeout").fetchone()
    return int(milliseconds)
