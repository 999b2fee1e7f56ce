"""Tables on a terminal of 80 columns, with names as long as they may be; `--json` keeps all."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from app.admission.reconcile import Reconciler
from app.http.application import provided
from app.http.instants import day_of_ms
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Scope
from app.tenancy.service import MAX_NAME_LENGTH, Organizations
from tests.background import flush_background
from tests.callers import Caller, error_of, new_caller
from tests.cli.conftest import Run
from tests.cli.imports import ndjson
from tests.cli.test_quota import charge
from tests.turns import body, now_ms, stateful

pytestmark = pytest.mark.slow  # seconds of work

COLUMNS_COUNT = 80
NAME = ("Acme " * 20 + "A" * MAX_NAME_LENGTH)[:MAX_NAME_LENGTH]
LABEL = "billing-" * 8
BILLION = "1_000_000_000"
LIMITS = (
    *("--turns", BILLION, "--active-relationships", BILLION),
    *("--requests-per-second", "9_000", "--burst", "9_000", "--uncharged-turns", "1_000_000"),
)
# Each command with `--json`, as it is typed; `ORG`, `KEY` and so on are replaced.
COMMANDS = [
    "org create NAME",
    "org list",
    "org show ORG",
    "org set-plan ORG pro --keep-limits",
    "org raise ORG LIMITS --until 2999-01-01",
    "org suspend ORG --reason LABEL",
    "org resume ORG",
    "key create ORG --scope admin --label LABEL",
    "key list ORG",
    "key revoke KEY",
    "key rotate KEY",
    "quota show ORG",
    "quota top",
    "quota reconcile",
    "limits top",
    "archive run",
    "archive rebuild TODAY",
    "archive status",
    "turns import ORG IMPORTED",
    "turns export ORG EXPORTED",
    "audit list",
    "db init",
    "request REQUEST",
    "doctor",
]


@pytest.fixture
def used(memory_app: Flask, run: Run) -> Caller:
    """Return a caller with a long name and label, and large numbers, in every list."""
    with memory_app.app_context():
        provided(Reconciler)._deadline_s = 0
        organization = provided(Organizations).create(NAME, "enterprise")
        key, token = provided(ApiKeys).issue(
            organization.id, Environment.LIVE, Scope.ADMIN, label=LABEL
        )
    assert run("org", "raise", organization.id, *LIMITS, "--reason", LABEL).exit_code == 0
    caller = Caller(memory_app, organization, Environment.LIVE, token, key.id)
    for payload in (body(), stateful()):
        assert caller.record(payload).status_code == 201
    charge(memory_app, organization.id)  # is never stored, so that a reconciliation corrects it
    return caller


@pytest.fixture
def words_of(used: Caller, tmp_path: Path) -> Callable[[str], list[str]]:
    """A function that returns the words of a command, with real ids and files."""
    request_id = error_of(used("GET", "/v1/interactions?limit=0"))["request_id"]
    limited = new_caller(used.app, requests_per_second=1, burst=1)
    assert [limited("GET", "/v1/me").status_code for _ in range(3)][-1] == 429
    flush_background(used.app)
    values = {
        "ORG": used.organization.id,
        "KEY": used.key_id,
        "NAME": NAME,
        "LABEL": LABEL,
        "TODAY": day_of_ms(now_ms()),
        "IMPORTED": str(ndjson(tmp_path, body())),
        "EXPORTED": str(tmp_path / "turns.csv"),
        "REQUEST": request_id,
    }

    def words(typed: str) -> list[str]:
        found: list[str] = []
        for word in typed.split():
            found += LIMITS if word == "LIMITS" else [values.get(word, word)]
        return found

    return words


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(COLUMNS_COUNT))


def commands_with_json(app: Flask) -> Iterator[str]:
    for name, command in app.cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        for of_group, each in inner.items():
            if "as_json" in [parameter.name for parameter in each.params]:
                yield f"{name} {of_group}".strip()


def test_every_command_with_a_table_is_typed(memory_app: Flask) -> None:
    ours = set(commands_with_json(memory_app))
    typed = [next(name for name in ours if f"{each} ".startswith(f"{name} ")) for each in COMMANDS]
    assert sorted(typed) == sorted(ours)


@pytest.mark.usefixtures("on_terminal")
@pytest.mark.parametrize("typed", COMMANDS)
def test_no_line_is_longer_than_the_terminal(
    run: Run, words_of: Callable[[str], list[str]], typed: str
) -> None:
    result = run(*words_of(typed))
    assert result.exit_code in (0, 1), result.output
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert len(lines) > 3, result.output
    assert max(map(len, lines)) <= COLUMNS_COUNT, result.stdout


@pytest.mark.usefixtures("on_terminal")
@pytest.mark.parametrize(("typed", "text"), [("org list", NAME), ("key list ORG", LABEL)])
def test_a_row_that_does_not_fit_is_a_block_that_breaks_no_id(
    run: Run, words_of: Callable[[str], list[str]], typed: str, text: str
) -> None:
    words = words_of(typed)
    shown = run(*words).stdout
    rows = json.loads(run(*words, "--json").stdout)
    assert rows
    assert all(row["id"] in shown for row in rows)
    assert "".join(text.split()) in "".join(shown.split())


@pytest.mark.usefixtures("on_terminal")
@pytest.mark.parametrize("typed", ["org list", "quota top", "key list ORG", "audit list"])
def test_json_is_the_same_on_a_narrow_terminal(
    run: Run, words_of: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    words = [*words_of(typed), "--json"]
    narrow = run(*words).stdout
    monkeypatch.delenv("COLUMNS")
    monkeypatch.delenv("TTY_COMPATIBLE")
    assert run(*words).stdout == narrow
    assert json.loads(narrow)


def test_in_a_pipe_each_row_is_one_line(run: Run, used: Caller) -> None:
    lines = [
        line for line in run("org", "list").stdout.splitlines() if used.organization.id in line
    ]
    (line,) = lines
    assert NAME in line


def test_a_terminal_that_is_wide_enough_has_a_table(
    run: Run, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    (line,) = [line for line in run("org", "list").stdout.splitlines() if organization_id in line]
    assert "25/s, burst 50" in line


@pytest.mark.usefixtures("on_terminal")
def test_a_reconciliation_shows_what_it_corrected(run: Run, used: Caller) -> None:
    shown = run("quota", "reconcile").stdout
    (line,) = [line for line in shown.splitlines() if used.account in line]
    assert line.rstrip().endswith("turns 4 -> 2")
    assert "relationships 2 -> 1" in shown
    (line,) = [
        line for line in run("quota", "reconcile").stdout.splitlines() if used.account in line
    ]
    assert line.split()[-1] == "-"
