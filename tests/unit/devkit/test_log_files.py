"""Logs of child processes go on after a restart and never grow beyond their bounds."""

from pathlib import Path

import pytest

from devkit import log_files
from devkit.log_files import (
    KEPT_COUNT,
    lines_of_last_run,
    open_appending,
    open_new,
    rotate_if_larger,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "service.log"


def texts(log: Path) -> list[str]:
    return [path.read_text() for path in sorted(log.parent.iterdir())]


def test_a_start_appends_behind_a_line_that_says_when(log: Path) -> None:
    for run in ("first", "second"):
        with open_appending(log) as stream:
            stream.write(f"{run}\n".encode())
    lines = log.read_text().splitlines()
    assert [line for line in lines if "run_started" not in line] == ["first", "second"]
    assert lines[2].startswith('{"event":"run_started","timestamp":"20')
    assert lines_of_last_run(log) == ["second"]


def test_a_log_of_one_run_has_all_lines(log: Path) -> None:
    log.write_text("one\ntwo\n")
    assert lines_of_last_run(log) == ["one", "two"]


def test_so_many_logs_are_kept_and_the_oldest_is_dropped(log: Path) -> None:
    for run in range(KEPT_COUNT + 3):
        with open_new(log) as stream:
            stream.write(f"{run}".encode())
    assert texts(log) == ["5", "4", "3", "2"]


def test_a_child_goes_on_writing_to_a_log_that_is_rotated(log: Path) -> None:
    with open_new(log) as stream:
        stream.write(b"before")
        stream.flush()
        rotate_if_larger(log, 5)
        stream.write(b"after")
    assert texts(log) == ["after", "before"]


def test_a_large_log_is_rotated_at_the_start_too(log: Path) -> None:
    assert log_files.LARGEST_BYTES == 10_485_760
    log.write_bytes(b"x" * (log_files.LARGEST_BYTES + 1))
    open_appending(log).close()
    assert log.stat().st_size < 200
    assert log.with_name("service.log.1").stat().st_size == log_files.LARGEST_BYTES + 1
