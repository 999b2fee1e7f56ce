"""Start `scripts/run` as a user would, and examine its processes."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from devkit.children import free_port, stop
from tests import plain_http
from tests.servers import ROOT, wait_until

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A started `scripts/run`."""

    process: subprocess.Popen[bytes]
    folder: Path
    output: Path

    @property
    def demo(self) -> dict[str, Any]:
        demo: dict[str, Any] = json.loads((self.folder / "demo.json").read_text())
        return demo

    @property
    def text(self) -> str:
        return self.output.read_text()

    def get(self, path: str, key: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return plain_http.get(self.demo["base_url"] + path, headers=headers, timeout=30)

    def wait_until_ready(self) -> None:
        wait_until(self._is_announced, START_TIMEOUT_S)

    def wait_until_it_runs(self, command: str) -> None:
        wait_until(lambda: self._runs(command), START_TIMEOUT_S)

    def wait_until_it_says(self, words: str) -> None:
        wait_until(lambda: self._says(words), START_TIMEOUT_S)

    def wait_for_end(self) -> int:
        return self.process.wait(STOP_TIMEOUT_S)

    def descendants(self) -> set[int]:
        """Return every descendant of the script, by the parents in /proc."""
        parents = dict(_parents())
        found = {self.process.pid}
        while more := {child for child, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid}

    def _says(self, words: str) -> bool:
        assert self.process.poll() is None, self.text
        return words in self.text

    def _runs(self, command: str) -> bool:
        assert self.process.poll() is None, self.text
        return any(command in command_of(child) for child in self.descendants())

    def _is_announced(self) -> bool:
        assert self.process.poll() is None, self.text
        return (self.folder / "demo.json").exists()


@contextmanager
def local_run(
    folder: Path, *, is_awaited: bool = True, output: str = "run.out", **environ: str
) -> Iterator[LocalRun]:
    """Run the script with its data in `folder`; end it with the block if it still runs."""
    defaults = {"DEMO_TURNS": "200", "PORT": str(free_port()), "WEB_CONCURRENCY": "1"}
    chosen = defaults | environ | {"DATA_DIR": str(folder)}
    if is_awaited:  # the announcement of an earlier start must not be read as this one's
        (folder / "demo.json").unlink(missing_ok=True)
    log = folder.parent / output
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(ROOT / "scripts" / "run")],
            env=_clean_environ() | chosen,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    run = LocalRun(process, folder, log)
    try:
        if is_awaited:
            run.wait_until_ready()
        yield run
    finally:
        stop(process, STOP_TIMEOUT_S)


@contextmanager
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def command_of(process_id: int) -> str:
    """Return the command line of a process; "" if it has ended."""
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return words.replace(b"\0", b" ").decode()


def are_gone(process_ids: set[int]) -> bool:
    return not process_ids & {child for child, _ in _parents()}


def _parents() -> Iterator[tuple[int, int]]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may contain anything; fields follow the last bracket.
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            yield int(status.parent.name), int(parent)


def _clean_environ() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
