"""Commands, run in the process of the tests on in-memory stores."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.admission.reconcile import Reconciler
from app.http.application import provided
from app.usage.store import UsageStore
from devkit import demo
from tests.callers import Caller, Clock, new_caller
from tests.chores import end_after_one_pass

Run = Callable[..., Result]


@pytest.fixture
def run(memory_app: Flask) -> Run:
    """Types a command; that of the demo keeps the same promises as the operators'."""
    memory_app.cli.add_command(demo.group)
    runner = memory_app.test_cli_runner()
    return lambda *words: runner.invoke(args=[*words])


@pytest.fixture
def one_pass(run: Run, memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command that runs the worker, for one pass of each chore."""
    with memory_app.app_context():
        provided(Reconciler)._deadline_s = 0
    end_after_one_pass(monkeypatch)
    return run


@pytest.fixture
def answer(run: Run) -> Callable[..., Any]:
    """Types a command with `--json` and reads what it prints."""

    def read(*words: str) -> Any:
        result = run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return read


@pytest.fixture
def organization_id(answer: Callable[..., Any]) -> str:
    """An organization on the plan `pro`."""
    made: str = answer("org", "create", "Acme", "--plan", "pro")["id"]
    return made


@pytest.fixture
def caller(memory_app: Flask) -> Caller:
    """Return the caller whose turns are imported and archived."""
    return new_caller(memory_app)


@pytest.fixture
def import_(run: Run, caller: Caller) -> Callable[..., Result]:
    """Imports a file for `caller`."""
    return lambda file, *words: run("turns", "import", caller.organization.id, str(file), *words)


@pytest.fixture
def other(memory_app: Flask) -> Caller:
    """Return another organization, without faults, that comes after the caller's."""
    return new_caller(memory_app)


@pytest.fixture
def clock(memory_app: Flask) -> Clock:
    """Moves the clock of the application."""
    return Clock(memory_app)


def archived(caller: Caller) -> int:
    """Return the number of rolled-up turns of the account."""
    with caller.app.app_context():
        days = provided(UsageStore).days(caller.account, "", "9")
    return sum(day.rollup.total_turns for day in days)


def raise_value_error(*_: Any) -> Any:
    """Stand in for a method that fails with a text that must not show."""
    raise ValueError("a secret")
