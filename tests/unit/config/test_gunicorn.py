"""The hooks of gunicorn's configuration that no request reaches."""

import subprocess
import sys

from tests.servers import ROOT, environ_for

# The parent stands for the master, and its child for a worker that has no handlers of its own yet.
FORKED = """
import os, signal, types
from config import gunicorn

noted = []
gunicorn.run_folder.open_folder = lambda: None
gunicorn.shared.begin_draining = lambda: noted.append("draining")
gunicorn.when_ready(types.SimpleNamespace(signal=lambda number, frame: noted.append(number)))
worker = os.fork()
if not worker:
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]), noted)
os.kill(os.getpid(), signal.SIGTERM)
print(noted == ["draining", signal.SIGTERM])
"""


def test_a_worker_without_handlers_yet_ends_by_sigterm_and_the_master_notes_it() -> None:
    environ = environ_for("mongodb://127.0.0.1/turnledger", "redis://127.0.0.1/0")
    ended = subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert ended.stdout.split("\n") == ["0 []", "True", ""], ended.stderr
