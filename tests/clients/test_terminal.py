"""Type `python -m turnledger`: status, refusals, and an export that the service imports."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import turnledger
from click.testing import Result
from flask import Flask
from turnledger.__main__ import main
from turnledger._core.values import Account, State
from turnledger._outbox.adopting import damaged_files
from turnledger._outbox.store import Outbox

from tests.callers import new_caller
from tests.clients.exchanges import NO_ANSWER, Reply, Scripted, all_created
from tests.clients.outboxes import ACCOUNT, NOW_MS, Box, body, box_of, names, record
from tests.clients.test_sender import sender_of

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    with box_of("file", tmp_path) as made:
        monkeypatch.setenv("TURNLEDGER_OUTBOX", str(made.path))
        yield made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Types a command; every line that it writes must fit into 80 columns."""

    def type_(*words: str) -> tuple[int, str]:
        code = main(words)
        written = capsys.readouterr()
        return code, written.out + written.err

    return type_


def test_status_counts_the_turns_of_each_account(box: Box, run: Run) -> None:
    first = box.make()
    record(first, "t1")
    first.open("t2", body("t2"))
    first.identify("org_1", "live")
    second = box.make(Account(ACCOUNT.base_url, "b" * 16))
    second.refuse([(record(second, "t3"), "409 other_content")])
    code, written = run("status")
    assert code == 0
    lines = written.splitlines()[1:]
    assert lines == [
        "",
        "aaaaaaaaaaaaaaaa http://ledger.test org_1 live",
        "  open           1  the model call runs, or its process died",
        "  waiting        1  send them by `python -m turnledger send`",
        "  refused        0",
        "",
        "bbbbbbbbbbbbbbbb http://ledger.test",
        "  open           0",
        "  waiting        0",
        "  refused        1  list them by `python -m turnledger refused`",
    ]
    assert max(map(len, lines)) <= 80


def test_without_a_file_nothing_waits(box: Box, run: Run) -> None:
    assert run("status") == (0, f"Outbox {box.path}\nThere is no such file: nothing waits.\n")
    assert not box.path.exists()


def test_without_a_file_there_is_nothing_to_send(box: Box, run: Run) -> None:
    assert run("send") == (0, f"There is no outbox at {box.path}: nothing waits.\n")


STILL_WAITING = "Still waiting: 1. They stay in the outbox; send again later.\n"


class Ledger:
    """Send an outbox as the package's ledger does, to one that takes all or does not answer."""

    answers: Scripted

    def __init__(self, outbox: Path) -> None:
        self.outbox = Outbox(outbox, ACCOUNT, max_turns=9, fsync=False, now_ms=lambda: NOW_MS)
        self.sender = sender_of(self.outbox, self.answers)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.sender.close(0.0)
        self.outbox.close()

    def flush(self, timeout_s: float) -> bool:
        return self.sender.flush(timeout_s)

    def stats(self) -> SimpleNamespace:
        return SimpleNamespace(obstacle=self.sender.obstacle)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (all_created, (0, "Nothing waits any more.\n")),
        (
            NO_ANSWER,
            (1, f"The ledger did not answer (NetworkError).\n{STILL_WAITING}"),
        ),
    ],
)
def test_what_waits_is_sent(
    box: Box,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    expected: tuple[int, str],
) -> None:
    monkeypatch.setattr(Ledger, "answers", Scripted(reply), raising=False)
    monkeypatch.setattr(turnledger, "Ledger", Ledger, raising=False)
    store = box.make()
    store.identify("org_1", "live")
    record(store, "t1")
    store.close()
    assert run("send", "--timeout", "0.2") == expected


def test_memory_has_no_commands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNLEDGER_OUTBOX", "memory")
    code, written = run("status")
    assert code == 1
    assert "there is no file" in written


def test_refused_turns_are_listed_with_their_reason(box: Box, run: Run) -> None:
    store = box.make()
    store.refuse([(record(store, "t1"), "409 other_content")])
    assert run("refused") == (
        0,
        "2027-01-15T08:00:00.000Z  409 other_content\n  turn t1\n",
    )


def test_one_of_several_accounts_must_be_named(box: Box, run: Run) -> None:
    record(box.make(), "t1")
    record(box.make(Account(ACCOUNT.base_url, "b" * 16)), "t2")
    code, written = run("refused")
    assert code == 1
    assert "Name one by --account" in written
    assert run("refused", "--account", "b" * 16) == (0, "The ledger refused nothing.\n")


def test_an_export_is_imported_by_the_service(
    box: Box, run: Run, memory_app: Flask, tmp_path: Path
) -> None:
    store = box.make()
    old = datetime.now(UTC) - timedelta(days=60)
    reserved = "int_" + _ulid_instant(old) + "0" * 16
    turn = {"mode": "stateless", "personality_id": "pers_ada", "latency_ms": 12}
    seqs = [
        store.add("t1", State.RECORD, body("t1", occurred_at=old.isoformat(), **turn)),
        store.add("t2", State.COMPLETE, body("t2", **turn), reserved),
        store.add("t3", State.CANCEL, "{}", reserved),
    ]
    store.refuse([(seq, "400 validation_error occurred_at") for seq in seqs])
    file = tmp_path / "refused.ndjson"
    code, written = run("export", str(file))
    assert code == 0
    assert written.startswith(f"Turns written to {file}: 2.")
    assert run("export", str(file)) == (1, f"{file} exists. Name a new file.\n")
    assert run("export", str(tmp_path / "x.csv"))[0] == 1
    caller = new_caller(memory_app)
    result = import_of(memory_app, caller.organization.id, file)
    assert json.loads(result.stdout)["new"] == 2, result.output
    assert [
        datetime.fromisoformat(item["created_at"]) - old < timedelta(milliseconds=1)
        for item in caller.list_all()
    ] == [True, True]


def import_of(app: Flask, organization_id: str, file: Path) -> Result:
    runner = app.test_cli_runner()
    return runner.invoke(args=["turns", "import", organization_id, str(file), "--json"])


def _ulid_instant(at: datetime) -> str:
    value, digits = int(at.timestamp() * 1000), ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[digit] + digits
    return digits


def test_a_damaged_file_is_adopted_once(box: Box, run: Run) -> None:
    store = box.make()
    record(store, "t1")
    store.close()
    box.path.rename(box.path.with_name(f"{box.path.name}.damaged-1"))
    assert "outbox.db.damaged-1" in run("status")[1]
    assert run("adopt") == (0, "Turns read from outbox.db.damaged-1: 1.\n")
    assert damaged_files(box.path) == []
    assert run("adopt") == (0, "There is no damaged file.\n")
    later = box.make()
    assert later.take_over() == 1
    assert names(later) == ["t1"]
