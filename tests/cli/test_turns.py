"""`flask turns import`: history goes in once, charges nothing, and bad lines are named."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from pymongo.errors import AutoReconnect

from app.admission.clock import LedgerClock
from app.backends.backend import Backend
from app.cli import turns as turns_command
from app.http.application import provided
from app.interactions.importing import Import, ImportOutcome, TurnImporter
from app.interactions.model import TurnTrace
from app.tenancy.model import Environment
from tests.callers import Caller, new_caller
from tests.cli.imports import counts, csv_file, ndjson, old
from tests.turns import DAY_MS, body, now_ms, whole

Run = Callable[..., Result]


def test_history_is_stored_and_a_second_time_adds_nothing(
    import_: Callable[..., Result], caller: Caller, tmp_path: Path
) -> None:
    file = ndjson(tmp_path, old(100), old(10), whole())

    first, again = import_(file, "--json"), import_(file, "--json")

    assert (first.exit_code, counts(first)) == (0, {"new": 3, "known": 0, "rejected": 0})
    assert (again.exit_code, counts(again)) == (0, {"new": 0, "known": 3, "rejected": 0})
    assert len(caller.list_all()) == 3


def test_history_charges_no_quota(
    import_: Callable[..., Result], caller: Caller, tmp_path: Path, memory_backend: Backend
) -> None:
    import_(ndjson(tmp_path, old(3), whole()))

    assert memory_backend.database["interactions"].count_documents({"charged": {"$ne": 0}}) == 0
    assert caller.record(body()).headers["X-Quota-Turns-Used"] == "1"
    assert caller.record(body()).headers["X-Quota-Active-Relationships-Used"] == "0"


def test_bad_lines_are_named_and_the_rest_goes_in(
    import_: Callable[..., Result], caller: Caller, tmp_path: Path
) -> None:
    good = [old(1), old(2)]
    file = ndjson(
        tmp_path,
        good[0],
        "{no json",
        "",
        body(message="hello"),
        body(latency_ms=-1, mode="odd"),
        "[]",
        good[1],
    )

    result = import_(file, "--json")

    assert result.exit_code == 1
    assert counts(result) == {"new": 2, "known": 0, "rejected": 4}
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["line 2", "line 4", "line 5", "line 6"]
    assert "`message`" in lines[1]
    assert "`latency_ms`" in lines[2]
    assert "`mode`" in lines[2]
    assert len(caller.list_all()) == 2


@pytest.mark.parametrize(("days", "is_taken"), [(178, True), (180, False)])
def test_turns_older_than_179_days_are_refused(
    import_: Callable[..., Result], tmp_path: Path, days: int, is_taken: bool
) -> None:
    result = import_(ndjson(tmp_path, old(days)), "--json")
    assert counts(result) == {"new": int(is_taken), "known": 0, "rejected": int(not is_taken)}
    assert is_taken or "line 1: `occurred_at` must be within the last 179 days" in result.stderr


@pytest.mark.parametrize("off_days", [-200, 200])
def test_an_age_is_judged_by_the_servers_clock_as_it_is_now(
    import_: Callable[..., Result], memory_app: Flask, tmp_path: Path, off_days: int
) -> None:
    with memory_app.app_context():
        provided(LedgerClock).learn((now_ms() + off_days * DAY_MS) * 1_000)

    result = import_(ndjson(tmp_path, old(1), old(178)), "--json")

    assert counts(result) == {"new": 2, "known": 0, "rejected": 0}


def test_the_same_turn_with_other_content_is_rejected(
    import_: Callable[..., Result], tmp_path: Path
) -> None:
    turn = old(1)
    result = import_(ndjson(tmp_path, turn, turn, turn | {"latency_ms": 1}), "--json")
    assert counts(result) == {"new": 1, "known": 1, "rejected": 1}
    assert "line 3: This turn_id is recorded already" in result.stderr


def test_csv_is_read_by_the_types_of_the_fields(
    import_: Callable[..., Result], caller: Caller, tmp_path: Path
) -> None:
    when = old(5)["occurred_at"]
    file = csv_file(
        tmp_path,
        ["t1", when, "stateful", "completed", "u", "r", "p", 12, 3, "joy", 0.5, "true", "a b"],
        ["t2", when, "stateless", "failed", "", "", "p", 7, "", "", "", "", ""],
        ["t3", when, "stateless", "failed", "", "", "p", "soon", "", "", "", "", ""],
        ["t4", when, "stateless"],
    )

    result = import_(file, "--json")

    assert counts(result) == {"new": 2, "known": 0, "rejected": 2}
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["line 4", "line 5"]
    items = {item["latency_ms"]: item for item in caller.list_all()}
    assert items[12]["usage"]["turns_consumed"] == 3
    assert items[12]["inferred_emotional_state"]["confidence"] == 0.5
    assert items[12]["memory"]["consulted"] is True
    assert items[12]["guardrails"] == {"applied": ["a", "b"]}
    assert items[7]["user_id"] is None
    assert items[7]["usage"]["turns_consumed"] == 0


def test_an_unknown_column_is_named_before_anything_is_stored(
    import_: Callable[..., Result], caller: Caller, tmp_path: Path
) -> None:
    result = import_(csv_file(tmp_path, ["hello"], head=["message"]))
    assert result.exit_code == 1
    assert "line 1: no turn has a field `message`" in result.stderr
    assert caller.rows_count() == 0


def test_the_environment_is_chosen(
    import_: Callable[..., Result], memory_app: Flask, caller: Caller, tmp_path: Path
) -> None:
    tester = new_caller(memory_app, of=caller.organization, environment=Environment.TEST)
    import_(ndjson(tmp_path, old(1)), "--environment", "test")
    assert (tester.rows_count(), caller.rows_count()) == (1, 0)


def test_other_files_are_refused(import_: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "turns.txt"
    file.write_text("")
    result = import_(file)
    assert result.exit_code == 2
    assert "must end in .ndjson, .jsonl, .csv" in result.stderr


def test_an_unknown_organization_is_named(run: Run, tmp_path: Path) -> None:
    result = run("turns", "import", "org_none", str(ndjson(tmp_path)))
    assert result.exit_code == 1
    assert "flask org list" in result.stderr


def test_what_was_imported_is_archived_at_once(
    import_: Callable[..., Result], answer: Callable[..., Any], tmp_path: Path
) -> None:
    file = ndjson(tmp_path, old(100), old(10), whole())

    first, again = import_(file, "--json"), import_(file, "--json")

    assert [json.loads(result.stdout)["archived"] for result in (first, again)] == [3, 0]
    assert answer("archive", "status")["open_turns"] == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt("secret"), AutoReconnect("secret")])
def test_an_import_that_is_stopped_reports_how_far_it_came_and_may_go_on(
    import_: Callable[..., Result],
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stop: BaseException,
) -> None:
    file = ndjson(tmp_path, *(old(1) for _ in range(120)))
    store_many = TurnImporter.store_many

    def stopped(
        self: TurnImporter, target: Import, good: Sequence[TurnTrace]
    ) -> list[ImportOutcome]:
        if len(good) < 100:
            raise stop
        return store_many(self, target, good)

    monkeypatch.setattr(turns_command, "CHUNK_COUNT", 100)
    monkeypatch.setattr(turns_command, "ARCHIVE_EVERY_COUNT", 100)
    with monkeypatch.context() as patched:
        patched.setattr(TurnImporter, "store_many", stopped)
        result = import_(file, "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"new": 100, "known": 0, "rejected": 0, "archived": 100}
    assert "give the same file again" in result.stderr
    assert "Traceback" not in result.output
    assert "secret" not in result.output
    assert counts(import_(file, "--json")) == {"new": 20, "known": 100, "rejected": 0}
    assert caller.rows_count() == 120
