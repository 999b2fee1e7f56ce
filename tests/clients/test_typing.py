"""What type checkers see of the package: wrapped clients keep their types, and all is typed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

pytestmark = pytest.mark.long
PROGRAM = """
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, AzureOpenAI
from turnledger import AsyncLedger, Ledger, OpenTurn, Turn, Usage

ledger = Ledger(personality_id="pers_a")
reveal_type(ledger.wrap(AzureOpenAI()))
reveal_type(ledger.wrap(AsyncOpenAI()))
reveal_type(AsyncLedger().wrap(AsyncAnthropic()))
reveal_type(ledger.record(Turn(status="completed", latency_ms=1, usage=Usage())).state)
with ledger.turn(user_id="u_1") as turn:
    opened: OpenTurn = turn
    items = turn.stream(iter([1]))
reveal_type(items)
"""
REVEALED = (
    'Revealed type is "openai.lib.azure.AzureOpenAI"',
    'Revealed type is "openai.AsyncOpenAI"',
    'Revealed type is "anthropic.AsyncAnthropic"',
    "Literal['created']",
    'Iterator[builtins.int]"',
)


def test_wrapped_clients_keep_their_types(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "program.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "clients/python/src"), "PATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )
    assert "error" not in done.stdout, done.stdout
    lines = [line for line in done.stdout.splitlines() if "Revealed" in line]
    for line, expected in zip(lines, REVEALED, strict=True):
        assert expected.split(".")[-1] in line, (line, expected)
