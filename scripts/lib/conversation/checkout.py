"""Check a commit out into a folder, and run its commands and services there."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devkit.children import spawn, stop
from devkit.probing import is_answering
from scripts.lib import ROOT

START_TIMEOUT_S = 60
COMMAND_TIMEOUT_S = 300
_POLL_S = 0.05
# One process for many commands, because each start imports the whole application.
_DRIVER = """
import json, sys
from wsgi import app
runner = app.test_cli_runner()
done = [runner.invoke(args=command) for command in json.load(sys.stdin)]
json.dump([[each.exit_code, each.stdout, each.output] for each in done], sys.stderr)
"""
_SERVERS = {
    "gunicorn": ["-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
    "granian": ["-m", "app"],
}
_LISTENING = re.compile(r"Listening at: https?://127\.0\.0\.1:(\d+)")


class SideFailed(Exception):
    """A program of the commit under test failed."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit's files in `folder`."""

    folder: Path

    def run(self, environ: Mapping[str, str], *commands: Sequence[str]) -> list[str]:
        """Run `flask` commands of the commit; return the standard output of each."""
        done = subprocess.run(
            [sys.executable, "-c", _DRIVER],
            input=json.dumps(commands),
            cwd=self.folder,
            env=dict(environ),
            capture_output=True,
            check=False,
            text=True,
            encoding="utf-8",
            timeout=COMMAND_TIMEOUT_S,
        )
        lines = done.stderr.splitlines() or [""]
        if done.returncode != 0 or not lines[-1].startswith("[["):
            raise SideFailed(f"commands failed:\n{done.stdout}\n{done.stderr}")
        results = json.loads(lines[-1])
        for command, (exit_code, _, output) in zip(commands, results, strict=True):
            if exit_code != 0:
                raise SideFailed(f"flask {' '.join(command)}: exit code {exit_code}\n{output}")
        return [stdout for _, stdout, _ in results]

    @contextmanager
    def serving(self, environ: Mapping[str, str], log: Path, kind: str) -> Iterator[int]:
        """Serve the commit with gunicorn or Granian; yield the port once `/healthz` answers."""
        variables = {**environ, "HOST": "127.0.0.1", "PORT": "0", "DRAIN_S": "0"}
        with log.open("wb") as output:
            process = spawn(
                [sys.executable, *_SERVERS[kind]],
                output=output,
                environ=variables,
                folder=self.folder,
            )
        try:
            yield _port_of(process, log)
        finally:
            stop(process, timeout_s=40)


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Checkout]:
    """Check `commit` out into `folder`, as a worktree that is removed after the block."""
    _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        yield Checkout(folder)
    finally:
        _git("worktree", "remove", "--force", str(folder))


def environ_of(mongodb_uri: str, redis_url: str, **changes: str) -> dict[str, str]:
    """Return the complete environment of a commit's service and commands."""
    secret = "of-a-replayed-conversation-0123456789"  # noqa: S105 - of this service only
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "FLASK_SKIP_DOTENV": "1",
        "MONGODB_URI": mongodb_uri,
        "REDIS_URL": redis_url,
        "KEY_PEPPERS": f"pepper-{secret}",
        "ID_KEY": f"id-key-{secret}",
        "CURSOR_SECRETS": f"cursors-{secret}",
        "OPERATOR_TOKEN": f"operator-{secret}",
        "DOCUMENTATION_URL": "https://turnledger.example/docs",
        # Long time-outs, so that a loaded machine is no outage.
        "REDIS_TIMEOUT_MS": "5000",
        "MONGODB_TIMEOUT_MS": "3000",
        "REQUEST_DEADLINE_S": "4",
        "IP_LIMIT": "10000 per second",
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": "4",
        **changes,
    }


def _port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8", errors="replace")
        if process.poll() is not None:
            break
        found = _LISTENING.search(text)
        if found and is_answering("127.0.0.1", int(found[1])):
            return int(found[1])
        time.sleep(_POLL_S)
    text = log.read_text(encoding="utf-8", errors="replace")
    raise SideFailed(f"the service did not start; the end of {log}:\n{text[-4_000:]}")


def _git(*words: str) -> None:
    done = subprocess.run(
        ["git", *words],  # noqa: S607 - the git of the caller's PATH
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        raise SideFailed(f"git {' '.join(words)}: {done.stderr.strip()}")
