"""Log lines of a command go to standard error; standard output has its answer alone."""

import json
from typing import Any

import pytest
import structlog

from app.tenancy.service import Organizations
from app.worker.service import Worker
from tests.cli.conftest import Run

_log = structlog.get_logger("turnledger.tests")


@pytest.fixture
def logging_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing organizations writes a log line, as that of an outage in the background."""
    list_all = Organizations.list_

    def logged(*words: Any, **options: Any) -> Any:
        _log.warning("something_happened")
        return list_all(*words, **options)

    monkeypatch.setattr(Organizations, "list_", logged)


@pytest.mark.usefixtures("logging_list")
def test_json_stays_json_while_something_is_logged(run: Run) -> None:
    listed = run("org", "list", "--json")
    assert json.loads(listed.stdout) == []
    assert [json.loads(line)["event"] for line in listed.stderr.splitlines()] == [
        "something_happened"
    ]


@pytest.mark.parametrize("words", [("worker",), ("quota", "reconcile", "--watch")])
def test_the_log_of_the_worker_goes_to_standard_output(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(Worker, "run", lambda *_: [])
    worked = run(*words)
    assert [json.loads(line)["event"] for line in worked.stdout.splitlines()] == ["worker_started"]
    assert worked.stderr == ""


@pytest.mark.usefixtures("logging_list")
def test_logs_of_the_service_go_to_standard_output_again_afterwards(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("org", "list")
    _log.warning("afterwards")
    written = capsys.readouterr()
    assert json.loads(written.out)["event"] == "afterwards"
    assert written.err == ""
