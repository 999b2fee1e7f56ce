"""The instructions command: what it refuses, and what it reads from callgrind."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from bench.instructions import command
from tests.servers import ROOT

DUMP = """version: 1
events: Ir
fn=(1) main
16 400
totals: 27742000

part: 2
totals: 1000
"""


@pytest.mark.slow  # it starts a process
def test_the_bench_passes_instructions_on_to_its_own_command() -> None:
    words = [sys.executable, "-m", "bench", "instructions", "--help"]
    printed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "Usage: scripts/bench instructions" in printed
    assert "Needs valgrind." in printed


def test_without_valgrind_the_next_step_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    printed = CliRunner().invoke(command.main)
    assert printed.exit_code == 1
    assert printed.output == (
        "Error: valgrind is missing; on Debian, as root: apt-get install -y valgrind\n"
    )


def test_the_last_total_of_a_dump_counts() -> None:
    assert command.total(DUMP) == 1_000
