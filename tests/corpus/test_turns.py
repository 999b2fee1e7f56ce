"""Every odd turn of `turns.json` at every door by which a turn comes in.

A door answers all cases in one test, so that a difference lists every case that differs.
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.admission.clock import LedgerClock, RequestClock
from app.cli.turn_files import READERS, Line
from app.http.problems import Problem
from app.http.provide import provided
from app.interactions.history import HistoryImport, Import
from app.interactions.model import Item, Turn
from config.settings import Settings
from tests.callers import LIST, TURNS, Caller, hire
from tests.corpus.turns import CREATED, UNREADABLE, Case, cases
from tests.servers import ROOT, environ_for
from tests.turns import asked, body, now_ms

pytestmark = pytest.mark.slow  # seconds of work

# The result of a case, and the item that was created.
Result = tuple[str, Item | None]
FILES = ["ndjson", "csv"]


def test_every_case_has_its_name_and_every_door_is_named_rightly() -> None:
    found = cases()

    assert len({case.name for case in found}) == len(found) >= 140
    doors = {door for case in found for door in case.expected}
    assert doors == {"all", "batch", "completion", "ndjson", "csv"}
    assert all("csv" not in case.expected or case.cells for case in found)


def record(caller: Caller, case: Case) -> Result:
    return result_of(send(caller, "POST", LIST, case.body()))


def record_in_batch(caller: Caller, case: Case) -> Result:
    """Send the case between two good turns, which must be stored unless the request is refused."""
    good = [json.dumps(body()).encode() for _ in range(2)]
    whole = b'{"interactions": [%s, %s, %s]}' % (good[0], case.body(), good[1])
    answer = send(caller, "POST", f"{LIST}/batch", whole)
    if answer.status_code != 200:
        return f"request: {blamed(answer.get_json()['error']['details'])}", None
    first, result, last = answer.get_json()["results"]
    assert first["status"] == last["status"] == "created", case.name
    if result["status"] == "rejected":
        return blamed(result["error"]["details"]), None
    item = caller("GET", f"{LIST}/{result['interaction_id']}").get_json()
    return str(result["status"]), item


def complete(caller: Caller, case: Case) -> Result:
    turn_id = json.loads(case.members["turn_id"])
    is_good = re.fullmatch(r"odd-\d+", turn_id)
    reserved = caller("POST", TURNS, json=asked(turn_id if is_good else None)).get_json()
    # A reservation has the instant of its turn; only a case about that sends one again.
    is_about_instants = case.expected.get("completion", "").startswith("occurred_at")
    without = "" if is_about_instants else "occurred_at"
    path = f"{TURNS}/{reserved['interaction_id']}"
    return result_of(send(caller, "PUT", path, case.body(without=without)))


@pytest.mark.parametrize(
    ("door", "use"),
    [("api", record), ("batch", record_in_batch), ("completion", complete)],
    ids=["api", "batch", "completion"],
)
def test_the_api_answers_every_odd_turn(
    app: Flask, door: str, use: Callable[[Caller, Case], Result]
) -> None:
    caller = hire(app)

    assert_as_expected(door, [(case, use(caller, case)) for case in cases()])


@pytest.mark.parametrize("door", FILES)
def test_an_import_reads_every_odd_line(app: Flask, tmp_path: Path, door: str) -> None:
    caller = hire(app)
    chosen = cases_at(door)
    file = file_of(door, chosen, tmp_path)
    with app.app_context(), file.open("rb") as stream:
        lines = list(READERS[file.suffix](stream, lambda _: None))
        results = [imported(caller, line) for line in lines]

    assert_as_expected(door, list(zip(chosen, results, strict=True)))


@pytest.mark.parametrize("door", FILES)
def test_the_command_names_every_odd_line_and_stores_the_others(
    live_app: Flask, live_settings: Settings, tmp_path: Path, door: str
) -> None:
    caller = hire(live_app)
    chosen = cases_at(door)
    file = file_of(door, chosen, tmp_path)
    first = 2 if door == "csv" else 1

    ended = run_import(live_settings, caller.organization.id, file)

    named = dict(re.findall(r"^line (\d+): (.*)$", ended.stderr, re.MULTILINE))
    expected = {case.name: case.result_at(door) for case in chosen}
    assert {case.name: f"{number}" not in named for number, case in enumerate(chosen, first)} == {
        name: result == CREATED for name, result in expected.items()
    }, ended.stderr
    for number, case in enumerate(chosen, first):
        field = case.result_at(door).split(" ")[0]
        assert field in {CREATED, UNREADABLE} or f"`{field}`" in named[f"{number}"], case.name
    new = sum(result == CREATED for result in expected.values())
    assert ended.returncode == 1
    assert json.loads(ended.stdout) == {
        "new": new,
        "known": 0,
        "rejected": len(chosen) - new,
        "archived": new,
    }
    assert caller.rows_count() == new


def send(caller: Caller, method: str, path: str, text: bytes) -> TestResponse:
    return caller(method, path, data=text, content_type="application/json")


def result_of(answer: TestResponse) -> Result:
    payload = answer.get_json()
    if answer.status_code == 201:
        return CREATED, payload
    assert (answer.status_code, payload["error"]["code"]) == (400, "validation_error"), payload
    return blamed(payload["error"]["details"]), None


def blamed(details: Any) -> str:
    """Field and code of the first error."""
    return f"{details[0]['field']} {details[0]['code']}"


def assert_as_expected(door: str, results: list[tuple[Case, Result]]) -> None:
    assert {case.name: found for case, (found, _) in results} == {
        case.name: case.result_at(door) for case, _ in results
    }
    shown = {
        case.name: {name: item[name] for name in case.shows}
        for case, (_, item) in results
        if item is not None
    }
    named = {
        case.name: without_instant(case.shows) if door == "completion" else case.shows
        for case, _ in results
        if case.name in shown
    }
    assert shown == named


def without_instant(shows: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shows.items() if name != "created_at"}


def cases_at(door: str) -> list[Case]:
    return [case for case in cases() if door == "ndjson" or case.cells is not None]


def file_of(door: str, chosen: list[Case], folder: Path) -> Path:
    """A file with one line for each case."""
    file = folder / f"turns.{door}"
    if door == "ndjson":
        file.write_bytes(b"".join(case.body() + b"\n" for case in chosen))
        return file
    head = list(dict.fromkeys(name for case in chosen for name in case.cells or {}))
    text = StringIO()
    writer = csv.DictWriter(text, head, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(case.cells or {} for case in chosen)
    file.write_text(text.getvalue(), "utf-8")
    return file


def imported(caller: Caller, line: Line) -> Result:
    """The result of one line, read and stored as an import does."""
    if line.fault is not None:
        return UNREADABLE, None
    history = provided(HistoryImport)
    try:
        turn = history.read(caller.account, line.body, RequestClock(provided(LedgerClock)))
    except Problem as problem:
        return blamed(problem.details), None
    target = Import(caller.account, caller.quota_period, now_ms() * 1_000)
    assert history.store_many(target, [turn]) == [True]
    return CREATED, stored(caller, turn)


def stored(caller: Caller, turn: Turn) -> Item:
    from_store = caller("GET", f"{LIST}/int_{turn.ulid}")
    assert from_store.status_code == 200
    item: Item = from_store.get_json()
    return item


def run_import(
    settings: Settings, organization_id: str, file: Path
) -> subprocess.CompletedProcess[str]:
    environ = environ_for(settings.mongodb_uri, settings.redis_url)
    command = ["-m", "flask", "--app", "wsgi", "turns", "import", organization_id, str(file)]
    return subprocess.run(
        [sys.executable, *command, "--json"],
        cwd=ROOT,
        env=environ,
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
