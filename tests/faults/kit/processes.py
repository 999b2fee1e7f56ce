"""Freeze servers, kill them with kill -9, and restart them with the same data."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from threading import Event, Timer

from devkit.bundled import BundledServer
from devkit.children import spawn

# After this a client without a time-out is released, and waiting for a process fails.
END_TIMEOUT_S = 30


@contextmanager
def frozen(process_id: int) -> Iterator[None]:
    """Stop all threads of a child process for the duration of the block."""
    # A client without a time-out must fail the test, not block it.
    is_late = Event()

    def give_up() -> None:
        is_late.set()
        os.kill(process_id, signal.SIGCONT)

    thaw = Timer(END_TIMEOUT_S, give_up)
    os.kill(process_id, signal.SIGSTOP)
    # On a busy machine a thread may answer once more until the signal has reached all threads.
    os.waitid(os.P_PID, process_id, os.WSTOPPED)
    thaw.start()
    try:
        yield
    finally:
        thaw.cancel()
        os.kill(process_id, signal.SIGCONT)
    assert not is_late.is_set(), f"still frozen after {END_TIMEOUT_S} s, and so let go"


class RestartableServer:
    """A child process that can be killed and restarted with the same folder and port.

    Start it from the main thread, because it ends with the thread that started it.
    """

    def __init__(self, process: Popen[bytes], log: Path) -> None:
        self.process = process
        self._command: list[str] = list(process.args)
        self._log = log

    @classmethod
    def start(cls, command: Sequence[str], log: Path) -> "RestartableServer":
        """Run `command`, which writes to `log`; wait until it answers."""
        return cls(_spawn(command, log), log)

    def kill(self) -> None:
        """Kill -9 and wait until the process has ended; harmless if it has."""
        self.process.kill()
        self.process.wait(END_TIMEOUT_S)

    def restart(self, *options: str) -> None:
        """Kill it if it runs, and start it again, with further options if given."""
        self.kill()
        self.process = _spawn([*self._command, *options], self._log)


@contextmanager
def mortal(server: BundledServer) -> Iterator[RestartableServer]:
    """Yield a running bundled server as restartable; end its last process with the block."""
    stand_in = RestartableServer(server.process, server.log)
    try:
        yield stand_in
    finally:
        stand_in.kill()


def _spawn(command: Sequence[str], log: Path) -> Popen[bytes]:
    with log.open("ab") as output:
        return spawn(command, output=output)
