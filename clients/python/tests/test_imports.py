"""What an import costs: no HTTP library and no database before they are needed."""

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
HEAVY = ("httpx", "sqlite3", "asyncio", "ssl", "openai", "anthropic", "litellm")


def run(program: str) -> str:
    command = [sys.executable, "-c", program]
    environ = {"PYTHONPATH": str(SOURCE), "TURNLEDGER_OUTBOX": "memory"}
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_import_of_the_package_imports_nothing_heavy() -> None:
    shown = f"import sys, turnledger; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(shown) == "[]"


def test_a_ledger_imports_httpx_itself_so_that_its_sender_does_not() -> None:
    """See `_http`: half of httpx in another thread would fail calls of openai."""
    made = "turnledger.Ledger('http://a', 'uniq_test_00000000')"
    shown = (
        f"import sys, turnledger; {made}; print('httpx' in sys.modules, 'openai' in sys.modules)"
    )
    assert run(shown) == "True False"
