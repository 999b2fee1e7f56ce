"""However a program ends, its turns reach the ledger: at once, or by the next process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from turnledger.testing import FakeLedger

from tests.clients.test_readme import serving
from tests.servers import ROOT

Run = Callable[[str], int]


@pytest.fixture
def fake() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def run(fake: FakeLedger, tmp_path: Path) -> Any:
    """A function that runs one of `exits.py` with an outbox of its own; returns its exit code."""
    with serving(fake) as url:
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python/src'}",
            "TURNLEDGER_URL": url,
            "TURNLEDGER_KEY": "uniq_live_Exits4711",
            "TURNLEDGER_OUTBOX": str(tmp_path / "outbox.db"),
        }

        def run_one(name: str) -> int:
            command = [sys.executable, "-m", "tests.clients.exits", name]
            done = subprocess.run(
                command, cwd=ROOT, env=environ, check=False, timeout=60, capture_output=True
            )
            assert b"Traceback" not in done.stderr, done.stderr.decode()
            return done.returncode

        yield run_one


def ends(fake: FakeLedger) -> dict[str, tuple[str, str | None]]:
    return {id_: (turn["status"], turn.get("error_code")) for id_, turn in fake.turns.items()}


DONE = ("completed", None)


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("script", {"script": DONE}),
        ("open_stream", {"open-stream": ("completed", "stream_closed")}),
        ("forked", {"before-fork": DONE, "child": DONE, "parent": DONE}),
        ("threads", {f"thread-{number}": DONE for number in range(8)}),
    ],
)
def test_a_program_that_ends_has_sent_its_turns(
    run: Run, fake: FakeLedger, name: str, recorded: dict[str, Any]
) -> None:
    assert run(name) == 0
    assert ends(fake) == recorded


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("hard_exit", DONE),
        ("terminated", DONE),
        ("killed_inside", ("failed", "producer_lost")),
    ],
)
def test_the_next_process_sends_what_another_has_left(
    run: Run, fake: FakeLedger, name: str, end: tuple[str, str | None]
) -> None:
    run(name)
    run("send")
    assert ends(fake) == {name.replace("_", "-"): end, "later": DONE}
    assert fake.reservations == {}
