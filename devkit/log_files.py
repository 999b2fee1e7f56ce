"""Keep the logs of child processes, bounded in size and number.

A child writes to the file that it was given, so a log is rotated by copying and emptying it, as
logrotate's `copytruncate` does. Lines that are written between the two are lost.
"""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

LARGEST_BYTES = 10 * 1024 * 1024
KEPT_COUNT = 3
_START = '{"event":"run_started"'


def open_appending(log: Path) -> IO[bytes]:
    """Open `log` to be appended to, behind a line that says when; rotate a large one first."""
    rotate_if_larger(log)
    stream = log.open("ab")
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    stream.write(f'{_START},"timestamp":"{now}"}}\n'.encode())
    stream.flush()
    return stream


def open_new(log: Path) -> IO[bytes]:
    """Open an empty `log`; the one before is kept under a number."""
    rotate_if_larger(log, 0)
    return log.open("ab")


def rotate_if_larger(log: Path, largest_bytes: int = LARGEST_BYTES) -> None:
    """Move what is in a log that is larger to `.1`, that to `.2` and so on; drop the oldest."""
    if not log.exists() or log.stat().st_size <= largest_bytes:
        return
    for number in range(KEPT_COUNT - 1, 0, -1):
        if _numbered(log, number).exists():
            _numbered(log, number).replace(_numbered(log, number + 1))
    shutil.copyfile(log, _numbered(log, 1))
    os.truncate(log, 0)


def lines_of_last_run(log: Path) -> list[str]:
    """Return the lines since the log was last opened; a log of one run has all of them."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_START)]
    return lines[starts[-1] + 1 :] if starts else lines


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
