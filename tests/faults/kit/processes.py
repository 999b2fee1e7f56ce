"""Servers of ours that are frozen, killed with kill -9, and started again as they were."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from threading import Event, Timer

from devkit.bundled import BundledServer
from devkit.children import spawn

# After which a client without patience of its own is let go, and a process is given up.
END_TIMEOUT_S = 30


@contextmanager
def frozen(process_id: int) -> Iterator[None]:
    """Nothing of the process runs as long as the block does; it must be a child of ours."""
    # A client that has no time-out of its own must fail the test, not stop it.
    is_late = Event()

    def give_up() -> None:
        is_late.set()
        os.kill(process_id, signal.SIGCONT)

    thaw = Timer(END_TIMEOUT_S, give_up)
    os.kill(process_id, signal.SIGSTOP)
    # On a busy machine a thread may answer once more until the signal has reached them all.
    os.waitid(os.P_PID, process_id, os.WSTOPPED)
    thaw.start()
    try:
        yield
    finally:
        thaw.cancel()
        os.kill(process_id, signal.SIGCONT)
    assert not is_late.is_set(), f"still frozen after {END_TIMEOUT_S} s, and so let go"


class MortalServer:
    """A child that can be killed and started again with the same folder, port and all.

    Start it from the main thread: it ends with the thread that started it.
    """

    def __init__(self, process: Popen[bytes], log: Path) -> None:
        self.process = process
        self._command: list[str] = list(process.args)
        self._log = log

    @classmethod
    def start(cls, command: Sequence[str], log: Path) -> "MortalServer":
        """Run `command`, which writes to `log`; it answers when it does."""
        return cls(_spawn(command, log), log)

    def kill(self) -> None:
        """Kill -9, and wait until it is gone. Harmless when it is."""
        self.process.kill()
        self.process.wait(END_TIMEOUT_S)

    def restart(self, *options: str) -> None:
        """Kill it if it runs, and start it again, with more options if any."""
        self.kill()
        self.process = _spawn([*self._command, *options], self._log)


@contextmanager
def mortal(server: BundledServer) -> Iterator[MortalServer]:
    """A bundled server that runs already; whatever runs in its place ends with the block."""
    stand_in = MortalServer(server.process, server.log)
    try:
        yield stand_in
    finally:
        stand_in.kill()


def _spawn(command: Sequence[str], log: Path) -> Popen[bytes]:
    with log.open("ab") as output:
        return spawn(command, output=output)
