"""Organizations are accepted by name wherever an id is."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.http.instants import utc_now
from tests.cli.conftest import Run
from tests.cli.imports import ndjson, old

Answer = Callable[..., Any]
NAME = "Caf\u00e9 & Co"
COMMANDS: list[list[str]] = [
    ["org", "show", NAME],
    ["org", "set-plan", NAME, "scale"],
    ["org", "raise", NAME, "--turns", "9"],
    ["org", "suspend", NAME],
    ["org", "resume", NAME],
    ["key", "create", NAME, "--scope", "read"],
    ["key", "list", NAME],
    ["quota", "show", NAME],
    ["turns", "import", NAME, "old.ndjson"],
    ["turns", "export", NAME, "turns.ndjson"],
    ["archive", "rebuild", "2026-11-23", "--organization", NAME],
]


@pytest.fixture
def typed(answer: Answer, run: Run, tmp_path: Path) -> Callable[[list[str]], Any]:
    """Types a command with its file in a folder of its own."""
    ndjson(tmp_path, old(1)).rename(tmp_path / "old.ndjson")

    def type_(words: list[str]) -> Any:
        return run(*(str(tmp_path / word) if ".ndjson" in word else word for word in words))

    return type_


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_name_does_as_well_as_an_id(
    answer: Answer, typed: Callable[[list[str]], Any], words: list[str]
) -> None:
    answer("org", "create", NAME)
    answer("org", "create", NAME.upper())
    if words[0] == "archive":
        words = [*words[:2], _yesterday(), *words[3:]]

    result = typed(words)

    assert result.exit_code == 0, result.output


def _yesterday() -> str:
    return (utc_now() - timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_an_ambiguous_name_is_refused_with_the_candidates(
    answer: Answer, typed: Callable[[list[str]], Any], words: list[str]
) -> None:
    made = [answer("org", "create", NAME)["id"] for _ in range(2)]
    before = answer("org", "list")
    if words[0] == "archive":
        words = [*words[:2], _yesterday(), *words[3:]]

    result = typed(words)

    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert all(organization_id in line for organization_id in made)
    assert "Give the id of one." in line
    assert answer("org", "list") == before


def test_many_candidates_are_counted(run: Run, answer: Answer) -> None:
    for _ in range(7):
        answer("org", "create", NAME)

    assert "and 2 more" in run("org", "show", NAME).stderr


def test_a_name_that_looks_like_an_id_stays_one(run: Run, answer: Answer) -> None:
    answer("org", "create", "org_acme")

    result = run("org", "show", "org_acme")

    assert result.exit_code == 1
    assert "There is no organization 'org_acme'." in result.stderr


def test_an_unknown_name_is_one_line_with_the_next_step(run: Run, organization_id: str) -> None:
    result = run("org", "show", "acme")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "'acme'" in result.stderr
    assert "flask org list" in result.stderr
    assert len(result.stderr.splitlines()) == 1
