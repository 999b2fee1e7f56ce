"""The growth command: it finds its parts, and refuses a bad trace before any server starts."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.growth import command
from tests.servers import ROOT


@pytest.mark.slow  # it starts a process
def test_the_bench_passes_growth_on_to_its_own_commands() -> None:
    words = [sys.executable, "-m", "bench", "growth", "--help"]
    printed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(command.main.commands) == {
        *("accounts", "archivers", "arrivals", "keys", "nodes", "turns", "workers")
    }
    assert all(f"  {name} " in printed for name in command.main.commands)


def test_a_trace_that_is_missing_is_one_line_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLER_DIR", str(tmp_path))
    printed = CliRunner().invoke(command.main, ["arrivals", "none.csv"])
    assert printed.exit_code == 1
    assert printed.output.splitlines() == [
        f"Error: {tmp_path}/none.csv: No such file or directory. Give the path of a trace."
    ]
