"""Commands, run in the process of the tests on in-memory stores."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from tests.callers import Caller, hire

Run = Callable[..., Result]


@pytest.fixture
def run(memory_app: Flask) -> Run:
    """Types a command."""
    runner = memory_app.test_cli_runner()
    return lambda *words: runner.invoke(args=[*words])


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
    """Whose turns are brought in and archived."""
    return hire(memory_app)


@pytest.fixture
def import_(run: Run, caller: Caller) -> Callable[..., Result]:
    """Imports a file for `caller`."""
    return lambda file, *words: run("turns", "import", caller.organization.id, str(file), *words)
