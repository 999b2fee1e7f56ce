"""Commands end with the one-line fix of a bad variable, and with exit code 1 or 3."""

import subprocess
import sys

import pytest

from tests.corpus.variables import CANARY, UNRESOLVED, odd_settings
from tests.servers import ROOT, environ_for

# wsgi.py ends a start that cannot succeed as gunicorn knows it.
CANNOT_START = 3
pytestmark = pytest.mark.slow  # each types a command as a process


def typed(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Type a command where no store answers."""
    nowhere = environ_for("mongodb://127.0.0.1:1/none", "redis://127.0.0.1:1/0")
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        check=False,
        cwd=ROOT,
        env=nowhere | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("number", [2, 3])
def test_odd_values_of_all_settings_are_refused_together(number: int) -> None:
    odd = odd_settings(number)
    ended = typed("org", "list", **{variable.name: variable.value for variable in odd})
    lines = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (CANNOT_START, "")
    assert len(lines) == 1 + len(odd) + 1
    for variable in odd:
        (line,) = [line for line in lines if line.startswith(f"  {variable.name}: ")]
        assert [words for words in variable.refused if words not in line] == []
    assert CANARY not in ended.stderr


@pytest.mark.parametrize(
    "command", ["org list", "worker", pytest.param("archive watch", marks=pytest.mark.long)]
)
def test_a_host_that_dns_does_not_know_ends_a_command(command: str) -> None:
    ended = typed(*command.split(), REDIS_URL=f"redis://user:{CANARY}@nowhere.invalid/0")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"  REDIS_URL: {UNRESOLVED}" in ended.stderr
    assert CANARY not in ended.stderr
    assert "Traceback" not in ended.stderr
