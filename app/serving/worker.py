"""Run a worker of Granian: record its heartbeats, and end it when it is ordered to."""

import os
import signal
from asyncio import AbstractEventLoop
from contextlib import suppress
from pathlib import Path

from app.serving import run_folder, shared
from app.serving.adapter import Adapter

HEARTBEAT_EVERY_S = 1.0


class Worker:
    """An adapter with the two hooks that Granian calls at the start and end of a worker."""

    def __init__(self, adapter: Adapter, folder: Path, launcher_id: int) -> None:
        self.__rsgi__ = adapter.__rsgi__
        self._adapter, self._folder = adapter, folder
        self._launcher_id = launcher_id
        self._has_ended = False

    def __rsgi_init__(self, loop: AbstractEventLoop) -> None:
        """Handle SIGTERM in place of Granian, and start the heartbeats."""
        loop.add_signal_handler(signal.SIGTERM, self._end_if_ordered)
        loop.call_soon(self._beat, loop)  # signals are handled only while the loop runs

    def __rsgi_del__(self, _loop: AbstractEventLoop) -> None:
        """Complete the requests that have begun, also those of disconnected clients."""
        self._adapter.close()

    def _end_if_ordered(self) -> None:
        # Supervisors may signal every process. The launcher drains first, then orders the end.
        if shared.is_end_ordered():
            self._end()

    def _beat(self, loop: AbstractEventLoop) -> None:
        with suppress(OSError):
            run_folder.note_heartbeat(self._folder, os.getpid())
        # A killed launcher can no longer end us, and a SIGTERM during our start is lost.
        if shared.is_ending() or os.getppid() != self._launcher_id:
            self._end()
        else:
            loop.call_later(HEARTBEAT_EVERY_S, self._beat, loop)

    def _end(self) -> None:
        # Granian ends gracefully at this signal too; at the third its channel blocks the loop.
        if not self._has_ended:
            self._has_ended = True
            signal.raise_signal(signal.SIGINT)
