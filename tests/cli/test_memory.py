"""Commands beside a service that keeps everything in its own memory."""

import subprocess
import sys

import pytest

from tests.servers import ROOT, environ_for

pytestmark = pytest.mark.slow  # each types a command as a process


FLASK = ["flask", "--app", "wsgi"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([*FLASK, "org", "list"], marks=pytest.mark.long),
        [*FLASK, "org", "create", "Acme"],
        ["devkit", "demo", "seed"],
    ],
)
def test_commands_own_that_they_cannot_reach_a_memory(words: list[str]) -> None:
    chosen = environ_for("", "", BACKEND="memory")
    reported = subprocess.run(
        [sys.executable, "-m", *words],
        check=False,
        cwd=ROOT,
        env={name: value for name, value in chosen.items() if value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (reported.returncode, reported.stdout) == (1, "")
    assert reported.stderr == (
        "Error: BACKEND=memory keeps everything inside the service's process; "
        "commands cannot reach it.\n"
    )
