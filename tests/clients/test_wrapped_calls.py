"""Calls of wrapped clients while ledger and producers are killed, frozen and emptied."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from turnledger import Ledger

from tests.callers import Caller, app_beside, new_caller, redis_of
from tests.clients.fake_models import fake_models
from tests.clients.wrapped_producer import HOLD_S, PLANS, WAYS, end_of
from tests.faults.kit.workers import is_running, kill_worker, worker_ids
from tests.servers import (
    ROOT,
    RunningService,
    ServerKind,
    environ_for,
    running_service,
    wait_until,
)

SEED = 18
STATUSES = {way[3] for way in WAYS}
FREEZE_S = 0.4


@dataclass
class Producers:
    """Fork producers, kill and freeze them; `calls_left` are still to be begun."""

    outbox: Path
    parent: subprocess.Popen[str]
    threads_count: int
    calls_count: int
    alive: list[int] = field(default_factory=list)
    started: int = 0
    did: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        assert self.parent.stdin
        assert self.parent.stdout
        self.started += 1
        wanted = f"p{self.started} {self.threads_count} {self.calls_count}\n"
        self.parent.stdin.write(wanted)
        self.parent.stdin.flush()
        self.alive.append(int(self.parent.stdout.readline()))

    def kill(self, process_id: int) -> None:
        self.did["producers killed"] += 1
        self.alive.remove(process_id)
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
        # Until its last thread has ended it holds its lock on the outbox. Its parent reaps it then.
        wait_until(lambda: not Path(f"/proc/{process_id}").exists())

    def freeze(self, process_id: int) -> None:
        self.did["producers frozen"] += 1
        frozen([process_id])

    def lines(self, kind: str) -> set[str]:
        return {
            line[2:]
            for path in self.outbox.parent.glob("*.log-*")
            for line in path.read_text().splitlines()
            if line.startswith(f"{kind} ")
        }

    def replace_ended(self) -> None:
        """Keep at least two producers running."""
        self.alive = [each for each in self.alive if is_running(each)]
        while len(self.alive) < 2:
            self.start()


def frozen(process_ids: list[int]) -> None:
    """Freeze processes for a moment."""
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process_id in process_ids:
            with suppress(ProcessLookupError):
                os.kill(process_id, number)
        if number == signal.SIGSTOP:
            time.sleep(FREEZE_S)


@contextmanager
def producing(
    outbox: Path, caller: Caller, url: str, models_url: str, threads_count: int, calls_count: int
) -> Iterator[Producers]:
    command = [sys.executable, "-m", "tests.clients.wrapped_producer", str(outbox), url]
    sources = str(ROOT / "clients" / "python" / "src")
    with subprocess.Popen(
        [*command, caller.token, models_url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": sources},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        producers = Producers(outbox, parent, threads_count, calls_count)
        try:
            yield producers
        finally:
            for process_id in list(producers.alive):
                producers.kill(process_id)
            parent.kill()


def disturb(
    service: RunningService, producers: Producers, calls_count: int, pause_s: float
) -> None:
    """Do one harm after another until so many calls have returned."""
    chosen = random.Random(SEED)  # noqa: S311

    def kill_ledger() -> None:
        for worker in worker_ids(service):
            kill_worker(worker)

    def empty_ledger() -> None:
        with redis_of(service) as redis:
            redis.flushdb()

    def hurt_producer() -> None:
        producer = chosen.choice(producers.alive)
        if chosen.random() < 0.5:
            producers.freeze(producer)
        else:
            producers.kill(producer)
            producers.start()

    harms: dict[str, Callable[[], None]] = {
        "ledger killed": kill_ledger,
        "ledger frozen": lambda: frozen(list(worker_ids(service))),
        "ledger emptied": empty_ledger,
        "producer": hurt_producer,
    }
    order = list(harms)
    chosen.shuffle(order)
    while len(producers.lines("a")) < calls_count:
        for harm in order:
            time.sleep(pause_s)
            producers.replace_ended()
            harms[harm]()
            producers.did[harm] += 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("calls_count", "processes_count", "threads_count", "pause_s"),
    [(300, 2, 4, 0.15), pytest.param(10_000, 4, 8, 0.8, marks=pytest.mark.long)],
)
def test_every_call_that_returned_is_stored_once(
    fresh_mongodb_uri: str,
    fresh_redis_url: str,
    tmp_path: Path,
    report_figures: Callable[..., None],
    calls_count: int,
    processes_count: int,
    threads_count: int,
    pause_s: float,
) -> None:
    environ = environ_for(fresh_mongodb_uri, fresh_redis_url)
    outbox = tmp_path / "outbox.db"
    with (
        fake_models() as models,
        running_service(environ, tmp_path / "service.log", kind=ServerKind.GUNICORN) as service,
        app_beside(service) as app,
    ):
        models.by_model.update(PLANS)
        caller = new_caller(app, requests_per_second=5_000, burst=5_000)
        arguments = (outbox, caller, service.base_url, models.anthropic_url)
        with producing(*arguments, threads_count, calls_count) as producers:
            for _ in range(processes_count):
                producers.start()
            disturb(service, producers, calls_count, pause_s)
        with Ledger(service.base_url, caller.token, outbox=outbox) as ledger:
            assert ledger.flush(60)
            counts = ledger.outbox.counts()
        rows = caller.list_all(limit=100)
        returned, begun = producers.lines("a"), producers.lines("o")
        check_rows(rows, returned, begun)
        assert (counts.open, counts.waiting, counts.refused) == (0, 0, 0)
        await_no_reservation(caller)
    lost = [row for row in rows if row["error_code"] == "producer_lost"]
    kills_count = producers.did["producers killed"]
    assert len(begun - returned) <= kills_count * threads_count
    assert len(rows) >= models.answered  # each answered call is a turn
    report_figures(
        calls_returned=len(returned),
        rows=len(rows),
        producer_lost=len(lost),
        models_answered=models.answered,
        **{name.replace(" ", "_"): count for name, count in producers.did.items()},
    )


def check_rows(rows: list[dict[str, object]], returned: set[str], begun: set[str]) -> None:
    stored = Counter(str(row["user_id"]) for row in rows)
    assert [name for name, count in stored.items() if count > 1] == []
    ended = {(row["user_id"], row["status"]) for row in rows}
    assert {(name, end_of(name)) for name in returned} - ended == set()
    # A call in flight at a kill is `producer_lost`, or it ended before its line was written.
    in_flight = begun - returned
    extra = [row for row in rows if row["user_id"] not in returned]
    assert {row["user_id"] for row in extra} <= in_flight
    ends = {(row["error_code"], row["status"]) for row in extra}
    assert {status for code, status in ends if code != "producer_lost"} <= STATUSES


def await_no_reservation(caller: Caller) -> None:
    """Wait until holds whose producer was killed before it could keep them have expired."""

    def has_none() -> bool:
        quota = caller("GET", "/v1/usage/turns").get_json()["quota"]
        return bool(quota["turns_reserved"] == 0)

    wait_until(has_none, HOLD_S + 10)
