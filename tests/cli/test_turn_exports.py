"""`flask turns export`: every turn in a file, of each form, or no file at all."""

import csv
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from pyarrow import parquet
from pymongo.errors import AutoReconnect

from app.backends.backend import Backend
from app.cli import parquet_files
from app.interactions.columns import COLUMNS
from app.interactions.store import InteractionStore
from app.tenancy.model import Environment
from tests.callers import Caller, new_caller
from tests.turns import DAY_MS, HOUR_MS, at, body, now_ms, whole

Run = Callable[..., Result]
FORMS = [".ndjson", ".csv", ".parquet"]


@pytest.fixture
def export(run: Run, caller: Caller) -> Run:
    """Exports the caller's turns to a file."""
    return lambda file, *words: run("turns", "export", caller.organization.id, str(file), *words)


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, whatever its form."""
    if file.suffix == ".ndjson":
        return [json.loads(line) for line in file.read_text().splitlines()]
    if file.suffix == ".csv":
        with file.open(newline="") as stream:
            return list(csv.DictReader(stream))
    rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    return rows


@pytest.mark.parametrize("form", FORMS)
def test_a_file_has_every_turn_of_the_list_in_its_order(
    export: Run, caller: Caller, tmp_path: Path, form: str
) -> None:
    for number in range(5):
        caller.record(whole(turn_id=f"t-{number}"))
    new_caller(caller.app).record(body())
    file = tmp_path / f"turns{form}"

    result = export(file, "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (0, {"turns": 5, "file": str(file)})
    listed = [item["interaction_id"] for item in caller.list_all()]
    assert [row["interaction_id"] for row in read(file)] == listed
    assert list(tmp_path.iterdir()) == [file]


def test_lines_of_ndjson_are_the_items_of_the_list(
    export: Run, caller: Caller, tmp_path: Path
) -> None:
    caller.record(whole())
    caller.record(body())

    export(tmp_path / "turns.ndjson")

    assert read(tmp_path / "turns.ndjson") == caller.list_all()


def test_a_parquet_file_has_a_type_for_each_column(
    export: Run, caller: Caller, tmp_path: Path
) -> None:
    occurred_ms = now_ms() - HOUR_MS
    caller.record(whole(occurred_at=_text(occurred_ms)))
    caller.record(at(occurred_ms - 1))

    export(tmp_path / "turns.parquet")

    full, least = read(tmp_path / "turns.parquet")
    assert list(full) == COLUMNS
    assert full["created_at"] == datetime.fromtimestamp(occurred_ms // 1_000, UTC).replace(
        microsecond=occurred_ms % 1_000 * 1_000
    )
    assert full["inferred_emotional_state.confidence"] == 0.82
    assert full["inferred_emotional_state.secondary"] == ["trust"]
    assert full["memory.consulted"] is True
    assert (full["usage.input_tokens"], full["usage.llm_model"]) == (374, "gpt-4o")
    assert least["guardrails.applied"] == []
    assert {name for name in COLUMNS if least[name] is not None} == {
        *("interaction_id", "created_at", "mode", "status", "personality_id", "latency_ms"),
        *("guardrails.applied", "usage.turns_consumed", "usage.active_relationship_counted"),
    }


def test_a_parquet_file_is_written_in_row_groups(
    export: Run, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "ROW_GROUP_COUNT", 2)
    caller.import_([body() for _ in range(5)])

    export(tmp_path / "turns.parquet")

    file = parquet.ParquetFile(tmp_path / "turns.parquet")
    groups = [file.metadata.row_group(number).num_rows for number in range(3)]
    assert (file.metadata.num_rows, groups) == (5, [2, 2, 1])


@pytest.mark.parametrize("form", FORMS)
def test_values_of_other_types_in_stored_rows_stop_no_export(
    export: Run, caller: Caller, tmp_path: Path, memory_backend: Backend, form: str
) -> None:
    caller.record(whole())
    memory_backend.database["interactions"].update_many(
        {},
        {
            "$set": {
                "latency_ms": "soon",
                "memory": "none",
                "guardrails.applied": [1, "kept"],
                "usage.turns_consumed": True,
                "inferred_emotional_state.confidence": float("nan"),
                "mode": 7,
            }
        },
    )

    assert export(tmp_path / f"turns{form}").exit_code == 0

    (row,) = read(tmp_path / f"turns{form}")
    assert row["interaction_id"] == caller.list_all()[0]["interaction_id"]


def test_a_file_without_turns_is_written(export: Run, tmp_path: Path) -> None:
    for form in FORMS:
        assert export(tmp_path / f"turns{form}").exit_code == 0
        assert read(tmp_path / f"turns{form}") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {"a", "b", "c"}),
        (("--user-id", "u_1"), {"b"}),
        (("--relationship-id", "rel_1", "--mode", "stateful"), {"b"}),
        (("--status", "failed"), {"c"}),
        (("--turn-id", "a"), {"a"}),
        (("--from", "{day}"), {"b", "c"}),
        (("--to", "{day}"), {"a"}),
    ],
)
def test_filters_are_those_of_the_list(
    export: Run, caller: Caller, tmp_path: Path, words: tuple[str, ...], expected: set[str]
) -> None:
    day_ms = now_ms() // DAY_MS * DAY_MS - DAY_MS
    people = {"mode": "stateful", "user_id": "u_1", "relationship_id": "rel_1"}
    turns = {
        "a": at(day_ms - 1, turn_id="a"),
        "b": at(day_ms, turn_id="b", **people),
        "c": at(day_ms + 1, turn_id="c", status="failed"),
    }
    caller.import_(turns.values())
    ids = {item["created_at"]: item["interaction_id"] for item in caller.list_all()}
    day = _text(day_ms)[:10]

    export(tmp_path / "turns.ndjson", *(word.format(day=day) for word in words))

    found = {row["interaction_id"] for row in read(tmp_path / "turns.ndjson")}
    assert found == {ids[turns[name]["occurred_at"]] for name in expected}


def test_an_environment_is_exported_by_itself(export: Run, caller: Caller, tmp_path: Path) -> None:
    test = new_caller(caller.app, of=caller.organization, environment=Environment.TEST)
    test.record(body())
    caller.record(body())

    export(tmp_path / "turns.ndjson", "--environment", "test")

    assert read(tmp_path / "turns.ndjson") == test.list_all()


@pytest.mark.parametrize(
    ("name", "words", "text"),
    [
        ("turns.txt", (), "turns.txt: must end in .ndjson, .csv, .parquet."),
        ("turns.csv", ("--from", "2026"), "`from`"),
        ("turns.csv", ("--from", "2026-02-01", "--to", "2026-01-01"), "must be earlier than `to`"),
        ("turns.csv", ("--user-id", "a b"), "`user_id` must match"),
    ],
)
def test_a_wrong_command_line_is_refused_and_writes_nothing(
    export: Run, tmp_path: Path, name: str, words: tuple[str, ...], text: str
) -> None:
    result = export(tmp_path / name, *words)

    assert result.exit_code == 2
    assert text in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_cannot_be_written_is_one_line(export: Run, tmp_path: Path, form: str) -> None:
    file = tmp_path / "missing" / f"turns{form}"

    result = export(file)

    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {file} cannot be written: No such file or directory. Choose another folder, or "
        "make room.\n"
    )


def test_an_unknown_organization_is_refused_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    result = run("turns", "export", "org_01ARZ3NDEKTSV4RRFFQ69G5FAV", str(tmp_path / "a.csv"))

    assert result.exit_code == 1
    assert "`flask org list`" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_stopped_export_leaves_the_file_before_it(
    export: Run, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    caller.import_([body() for _ in range(3)])
    file = tmp_path / f"turns{form}"
    export(file)
    before, scan = file.read_bytes(), InteractionStore.scan
    monkeypatch.setattr("app.interactions.export.BATCH_COUNT", 2)

    def fail_later(store: InteractionStore, *arguments: Any) -> Any:
        if arguments[-2] is not None:
            raise AutoReconnect("an outage")
        return scan(store, *arguments)

    monkeypatch.setattr(InteractionStore, "scan", fail_later)
    result = export(file)

    assert result.exit_code == 1
    assert "MongoDB is unavailable" in result.stderr
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_without_pyarrow_a_parquet_file_names_what_to_install(
    export: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    result = export(tmp_path / "turns.parquet")

    assert result.exit_code == 1
    assert "run .venv/bin/pip install pyarrow" in result.stderr
    assert "turnledger[" not in result.stderr  # no registry has the name
    assert list(tmp_path.iterdir()) == []
    assert export(tmp_path / "turns.csv").exit_code == 0


def test_turns_recorded_meanwhile_are_left_out(
    export: Run, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.record(body())
    listed, scan = caller.list_all(), InteractionStore.scan

    def record_first(store: InteractionStore, *arguments: Any) -> Any:
        monkeypatch.setattr(InteractionStore, "scan", scan)
        caller.record(at(now_ms() - HOUR_MS))
        return scan(store, *arguments)

    monkeypatch.setattr(InteractionStore, "scan", record_first)
    export(tmp_path / "turns.ndjson")

    assert read(tmp_path / "turns.ndjson") == listed
    assert len(caller.list_all()) == 2


def _text(instant_ms: int) -> str:
    return str(at(instant_ms)["occurred_at"])
