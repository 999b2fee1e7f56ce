"""`flask worker`: archives, reconciles and removes keys until SIGTERM."""

import os
import signal
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from flask import Flask
from structlog.testing import capture_logs

from app.admission.reconcile import Reconciler
from app.backends.backend import Backend
from app.http.application import provided
from app.usage.store import UsageStore
from app.worker.chores import Chore
from app.worker.service import Worker
from tests.callers import Caller, Clock
from tests.chores import TIMEOUT_S
from tests.cli.conftest import Run, archived
from tests.turns import at

OLD_NAME = "`flask archive watch` is now `flask worker`; the next release removes the old name.\n"


@pytest.mark.parametrize(("words", "said"), [(["worker"], ""), (["archive", "watch"], OLD_NAME)])
def test_the_worker_archives_and_reconciles_until_sigterm(
    caller: Caller,
    one_pass: Run,
    clock: Clock,
    words: list[str],
    said: str,
) -> None:
    assert caller.record(at(clock.now_ms)).status_code == 201
    with caller.app.app_context():
        redis = provided(Backend).redis
    counters = f"quota:{{{caller.organization.id}}}:live:{caller.quota_period}"
    redis.hincrby(counters, "turns_used", 4)

    result = one_pass(*words)

    assert (result.exit_code, result.stderr) == (0, said), result.output
    assert archived(caller) == 1
    assert caller.counters()["turns_used"] == 1


def test_a_slow_archive_does_not_delay_the_reconciliation(
    memory_app: Flask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block the archive until the reconciler has done its third pass."""
    release = Event()
    reconciliations: list[int] = []
    _without_pauses(memory_app, monkeypatch)

    def wait_for_release(_: UsageStore) -> Iterator[tuple[str, str]]:
        assert release.wait(TIMEOUT_S)
        return iter(())

    def list_no_accounts(_: Reconciler) -> list[Any]:
        reconciliations.append(len(reconciliations))
        if len(reconciliations) == 3:
            release.set()
            os.kill(os.getpid(), signal.SIGTERM)
        return []

    monkeypatch.setattr(UsageStore, "open_days", wait_for_release)
    monkeypatch.setattr(Reconciler, "list_accounts", list_no_accounts)

    result = run("worker")

    assert result.exit_code == 0, result.output
    assert len(reconciliations) >= 3


@pytest.mark.parametrize(
    ("words", "chores"),
    [
        (["worker"], ["archive", "reconcile", "remove_keys"]),
        (["quota", "reconcile", "--watch"], ["reconcile"]),
    ],
)
def test_the_start_is_logged_with_every_chore_and_its_period(
    memory_app: Flask,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    chores: list[str],
) -> None:
    monkeypatch.setattr(Worker, "run", lambda *_: [])
    with memory_app.app_context():
        made = [each for each in provided(Worker)._chores if each.name in chores]
    with capture_logs() as logs:
        result = run(*words)

    assert result.exit_code == 0, result.output
    (started,) = [line for line in logs if line["event"] == "worker_started"]
    assert started["chores"] == chores == [each.name for each in made]
    assert {each.period_s for each in made} == {started["period_s"]}


def _without_pauses(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        worker = provided(Worker)
    unpaused = [Chore(each.name, each.run, each.failure_event, 0) for each in worker._chores]
    monkeypatch.setattr(worker, "_chores", unpaused)


@pytest.mark.parametrize("words", [["worker"], ["archive", "watch"]])
def test_without_indexes_there_is_one_line_with_the_next_step(
    memory_app: Flask, run: Run, words: list[str]
) -> None:
    with memory_app.app_context():
        provided(Backend).database.drop_collection("usage_daily")

    result = run(*words)

    assert result.exit_code == 1
    assert "flask --app wsgi db init" in result.output
    assert "Traceback" not in result.output
