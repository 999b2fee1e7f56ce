"""Kill and freeze producers: the outbox loses no acknowledged turn and stores none twice."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from turnledger._outbox.database import connect_existing

from tests.clients.kill_ledger import FailingLedger, serving
from tests.clients.kill_producer import open_parts

ROOT = Path(__file__).parents[2]
SEED = 18


class Producers:
    """Start producers on one outbox, and kill or freeze them."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.url = path, url
        self.alive: list[subprocess.Popen[bytes]] = []
        self.started = self.kills = self.freezes = 0

    def start(self) -> None:
        self.started += 1
        command = [sys.executable, "-m", "tests.clients.kill_producer"]
        self.alive.append(
            subprocess.Popen(
                [*command, str(self.path), self.url, f"p{self.started}"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python" / "src")},
            )
        )

    def kill(self, producer: subprocess.Popen[bytes]) -> None:
        self.kills += 1
        self.alive.remove(producer)
        producer.kill()
        producer.wait()

    def freeze(self, producer: subprocess.Popen[bytes], seconds: float) -> None:
        self.freezes += 1
        producer.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        producer.send_signal(signal.SIGCONT)

    def freeze_for_good(self, producer: subprocess.Popen[bytes]) -> None:
        """Freeze a producer between its transactions: within one it would keep out all others."""
        while True:
            producer.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, producer.pid, os.WSTOPPED)
            with closing(connect_existing(self.path)) as connection:
                if is_free(connection, 0.5):
                    return
                producer.send_signal(signal.SIGCONT)
                # Stopped again at once, it would never leave its transaction.
                assert is_free(connection, 30.0)

    def lines(self, kind: str) -> set[str]:
        return {
            line[2:]
            for path in self.path.parent.glob("*.log-*")
            for line in path.read_text().splitlines()
            if line[0] == kind
        }


def is_free(connection: sqlite3.Connection, seconds: float) -> bool:
    """Wait so long until no other process is in a transaction; return False if one still is."""
    connection.execute(f"PRAGMA busy_timeout={int(seconds * 1_000)}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    connection.execute("ROLLBACK")
    return True


@contextmanager
def producing(path: Path, url: str, count: int) -> Iterator[Producers]:
    producers = Producers(path, url)
    try:
        for _ in range(count):
            producers.start()
        yield producers
    finally:
        for producer in list(producers.alive):
            producers.kill(producer)


def disturb(producers: Producers, seconds: float, pause_s: float) -> None:
    """Kill or freeze one producer after another; a killed one is replaced."""
    chosen = random.Random(SEED)  # noqa: S311
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(pause_s)
        producer = chosen.choice(producers.alive)
        if chosen.random() < 0.3:
            producers.freeze(producer, pause_s)
        else:
            producers.kill(producer)
            producers.start()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "pause_s", "count"),
    [(2.5, 0.3, 3), pytest.param(40.0, 0.3, 4, marks=pytest.mark.long)],
)
def test_no_acknowledged_turn_is_lost_or_stored_twice(
    tmp_path: Path, seconds: float, pause_s: float, count: int
) -> None:
    path = tmp_path / "outbox.db"
    ledger = FailingLedger(SEED)
    with serving(ledger) as url:
        with producing(path, url, count) as producers:
            disturb(producers, seconds, pause_s)
            frozen = producers.alive[0]
            for producer in producers.alive[1:]:
                producers.kill(producer)
            producers.freeze_for_good(frozen)
            ledger.chance = 0.0
            store, sender = open_parts(path, url)
            assert sender.flush(30.0), f"{store.waiting()} wait beside a frozen producer"
            assert store.take_over() == 0  # nothing is taken from the frozen producer
            producers.kill(frozen)
            assert sender.flush(30.0), f"{store.waiting()} wait at the end"
        counts = store.counts()
        with closing(connect_existing(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sender.close(5.0)
        store.close()
    acknowledged, opened = producers.lines("a"), producers.lines("o")
    completed = {name for name, turn in ledger.turns.items() if turn["status"] == "completed"}
    lost = {name for name, turn in ledger.turns.items() if "error_code" in turn}
    print(  # noqa: T201
        f"acknowledged {len(acknowledged)}, kills {producers.kills}, freezes {producers.freezes},"
        f" producer_lost {len(lost)}, requests {dict(ledger.faults)}"
    )
    assert len(acknowledged) > 100
    assert acknowledged - completed == set()
    assert ledger.conflicts == []
    assert (counts.open, counts.waiting, counts.refused) == (0, 0, 0)
    # A turn in flight at a kill is `producer_lost`, or its end was written and not reported.
    assert lost & acknowledged == set()
    assert completed | lost >= opened
    assert len(ledger.turns.keys() - acknowledged) <= producers.kills
