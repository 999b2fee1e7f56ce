"""CPU time and memory are those of a server and of its workers."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench import processes
from bench.processes import (
    await_rest,
    children,
    cpu_meter,
    cpu_s,
    family_cpu_s,
    largest_child_mb,
    rss_mb,
)
from tests.servers import wait_until

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10_000))"])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
"""


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A process that waits, and its child that works."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        yield parent.pid, int(parent.stdout.readline())


def test_a_family_is_a_process_and_its_children(family: tuple[int, int]) -> None:
    parent, child = family
    assert children(parent) == [child]
    found = cpu_meter({"app": parent})
    before_s = cpu_s(parent)
    wait_until(lambda: family_cpu_s(parent) > before_s + 0.1)
    # A tenth of a second at least for the one request that was answered meanwhile.
    assert found(1)["cpu_s_app"] >= 100
    assert found(1_000)["cpu_s_app"] < found(1)["cpu_s_app"]


def test_without_workers_the_process_itself_counts() -> None:
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lone:
        assert lone.stdout is not None
        lone.stdout.readline()
        assert largest_child_mb(lone.pid) == pytest.approx(rss_mb(lone.pid), rel=0.1)
        lone.communicate(b"\n")


def test_who_still_works_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen_s = iter([1.0, 1.08, 1.12, 1.13, 9.9])
    monkeypatch.setattr(processes, "family_cpu_s", lambda _head: next(seen_s))
    await_rest(1)
    # At the last look there had been hardly any work.
    assert next(seen_s) == 9.9
