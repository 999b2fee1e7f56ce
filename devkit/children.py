"""Start and stop child processes, which never outlive their parent."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes] | int | None = None,
    environ: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
    death_signal: signal.Signals = signal.SIGTERM,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches us alone.

    On Linux the kernel sends it `death_signal` when the calling thread ends, a kill -9 included.
    `inherited` file descriptors stay open in the child.
    """
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        env=dict(environ) if environ is not None else None,
        cwd=folder,
        pass_fds=tuple(inherited),
        start_new_session=True,
        # Only system calls through a library that is already loaded: safe between fork and exec.
        preexec_fn=_tied_to(os.getpid(), death_signal),  # noqa: PLW1509
    )


def stop(process: subprocess.Popen[bytes], timeout_s: float = 10) -> int:
    """Send SIGTERM, wait at most `timeout_s`, then kill; return the exit status."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def free_port() -> int:
    """Return a loopback port that was free; another program may take it before the caller does."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FolderInUse(Exception):
    """Another process holds the folder."""


@contextmanager
def holding(folder: Path, wait_s: float) -> Iterator[int]:
    """Hold `folder` for as long as the block, or any child that inherits the descriptor, lives.

    Yields the descriptor. Waits at most `wait_s` for an earlier holder to end, then raises
    `FolderInUse`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, folder, time.monotonic() + wait_s)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise FolderInUse(f"{folder} is in use by another process") from None
        time.sleep(0.05)


def tie_to_parent(parent_id: int, death_signal: signal.Signals) -> None:
    """Have the kernel send us `death_signal` when our parent ends; on Linux only.

    We end at once if `parent_id` has already ended.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent_id:
        os._exit(1)


def _tied_to(parent_id: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    return partial(tie_to_parent, parent_id, death_signal) if _LIBC else None
