"""Every odd turn of `turns.json` at every entry: API, batch, completion and files.

One test sends all cases to an entry, so that a failure lists every case that differs.
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
from app.http.application import provided
from app.http.request_errors import InvalidFields
from app.interactions.importing import Import, TurnImporter
from app.interactions.model import Item, TurnTrace
from config.settings import Settings
from tests.callers import LIST, TURNS, Caller, new_caller
from tests.corpus.turns import CREATED, UNREADABLE, Case, cases
from tests.servers import ROOT, environ_for
from tests.turns import body, now_ms, reservation

pytestmark = pytest.mark.slow  # seconds of work

# The result of a case, and the item that was created.
Result = tuple[str, Item | None]
FILES = ["ndjson", "csv"]


def test_cases_have_unique_names_and_known_entries() -> None:
    found = cases()

    assert len({case.name for case in found}) == len(found) >= 140
    entries = {entry for case in found for entry in case.expected}
    assert entries == {"all", "batch", "completion", "ndjson", "csv"}
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
    reserved = caller("POST", TURNS, json=reservation(turn_id if is_good else None)).get_json()
    # The reservation sets the instant of the turn; only cases about instants send one.
    is_about_instants = case.expected.get("completion", "").startswith("occurred_at")
    without = "" if is_about_instants else "occurred_at"
    path = f"{TURNS}/{reserved['interaction_id']}"
    return result_of(send(caller, "PUT", path, case.body(without=without)))


@pytest.mark.parametrize(
    ("entry", "use"),
    [("api", record), ("batch", record_in_batch), ("completion", complete)],
    ids=["api", "batch", "completion"],
)
def test_the_api_answers_every_odd_turn(
    app: Flask, entry: str, use: Callable[[Caller, Case], Result]
) -> None:
    caller = new_caller(app)

    assert_as_expected(entry, [(case, use(caller, case)) for case in cases()])


@pytest.mark.parametrize("entry", FILES)
def test_an_import_reads_every_odd_line(app: Flask, tmp_path: Path, entry: str) -> None:
    caller = new_caller(app)
    chosen = cases_at(entry)
    file = file_of(entry, chosen, tmp_path)
    with app.app_context(), file.open("rb") as stream:
        lines = list(READERS[file.suffix](stream, lambda _: None))
        results = [imported(caller, line) for line in lines]

    assert_as_expected(entry, list(zip(chosen, results, strict=True)))


@pytest.mark.parametrize("entry", FILES)
def test_the_command_names_every_odd_line_and_stores_the_others(
    live_app: Flask, live_settings: Settings, tmp_path: Path, entry: str
) -> None:
    caller = new_caller(live_app)
    chosen = cases_at(entry)
    file = file_of(entry, chosen, tmp_path)
    first = 2 if entry == "csv" else 1

    ended = run_import(live_settings, caller.organization.id, file)

    named = dict(re.findall(r"^line (\d+): (.*)$", ended.stderr, re.MULTILINE))
    expected = {case.name: case.result_at(entry) for case in chosen}
    assert {case.name: f"{number}" not in named for number, case in enumerate(chosen, first)} == {
        name: result == CREATED for name, result in expected.items()
    }, ended.stderr
    for number, case in enumerate(chosen, first):
        field = case.result_at(entry).split(" ")[0]
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
    """Return field and code of the first error."""
    return f"{details[0]['field']} {details[0]['code']}"


def assert_as_expected(entry: str, results: list[tuple[Case, Result]]) -> None:
    assert {case.name: found for case, (found, _) in results} == {
        case.name: case.result_at(entry) for case, _ in results
    }
    shown = {
        case.name: {name: item[name] for name in case.shows}
        for case, (_, item) in results
        if item is not None
    }
    named = {
        case.name: without_instant(case.shows) if entry == "completion" else case.shows
        for case, _ in results
        if case.name in shown
    }
    assert shown == named


def without_instant(shows: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shows.items() if name != "created_at"}


def cases_at(entry: str) -> list[Case]:
    return [case for case in cases() if entry == "ndjson" or case.cells is not None]


def file_of(entry: str, chosen: list[Case], folder: Path) -> Path:
    """Write a file with one line for each case."""
    file = folder / f"turns.{entry}"
    if entry == "ndjson":
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
    """Read and store one line as an import does; return the result."""
    if line.fault is not None:
        return UNREADABLE, None
    history = provided(TurnImporter)
    try:
        turn = history.read(caller.account, line.body, RequestClock(provided(LedgerClock)))
    except InvalidFields as error:
        return blamed(error.field_errors), None
    target = Import(caller.account, caller.quota_period, now_ms() * 1_000)
    assert history.store_many(target, [turn]) == [True]
    return CREATED, stored(caller, turn)


def stored(caller: Caller, turn: TurnTrace) -> Item:
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
