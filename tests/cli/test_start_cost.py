"""A command starts soon: beside the import of the libraries that it cannot do without."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from math import inf

import pytest

from tests.servers import ROOT, environ_for

pytestmark = pytest.mark.long  # it measures time

MOST_RATIO = 2.5
ROUNDS_COUNT, MOST_ROUNDS_COUNT = 3, 15
LIBRARIES = ["-c", "import flask, pymongo, redis"]
COMMAND = ["-m", "flask", "--app", "wsgi", "org", "list", "--help"]
# No command connects before it is typed in full, so no server is needed.
ENVIRON = environ_for("mongodb://127.0.0.1:1/turnledger", "redis://127.0.0.1:1/0")


def cpu_s(words: Sequence[str], environ: Mapping[str, str]) -> float:
    """Return the CPU seconds of a Python process that ends without an error."""
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_a_command_starts_in_at_most_two_and_a_half_times_the_time_of_its_libraries(
    report_figures: Callable[..., None],
) -> None:
    # Alternately, and the least of each: other work on the machine only adds, so that it may take
    # some rounds before both have run undisturbed.
    libraries_s = command_s = inf
    for rounds_count in range(1, MOST_ROUNDS_COUNT + 1):
        libraries_s = min(libraries_s, cpu_s(LIBRARIES, ENVIRON))
        command_s = min(command_s, cpu_s(COMMAND, ENVIRON))
        if rounds_count >= ROUNDS_COUNT and command_s <= MOST_RATIO * libraries_s:
            break
    report_figures(libraries_s=round(libraries_s, 3), command_s=round(command_s, 3))

    assert command_s <= MOST_RATIO * libraries_s
