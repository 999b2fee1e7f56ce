"""Serve fake models and a fake ledger from another process, so that their CPU is not ours.

Prints the addresses of both in a line, and ends with its standard input: `python -m
tests.clients.other_process`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from turnledger.testing import FakeLedger

from tests.clients.fake_models import fake_models
from tests.clients.test_readme import serving
from tests.servers import ROOT


@contextmanager
def servers_elsewhere() -> Iterator[tuple[str, str]]:
    """Yield the addresses of models and ledger in a process of their own."""
    sources = str(ROOT / "clients" / "python" / "src")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.clients.other_process"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": sources},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        models_url, ledger_url = process.stdout.readline().split()
        yield models_url, ledger_url
        assert process.stdin
        process.stdin.close()


def main() -> None:
    with fake_models() as models, serving(FakeLedger()) as url:
        print(models.anthropic_url, url, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
