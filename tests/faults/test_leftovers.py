"""The folder in memory on both servers: each run has its own, and none is left behind."""

import os
import signal
from pathlib import Path

from tests.faults.kit.kinds import GUNICORN_IN_LONG_RUNS
from tests.faults.kit.starts import begun_service
from tests.faults.kit.workers import folder_of, is_running, reload_workers, worker_ids
from tests.servers import ServerKind, wait_until

ENDED_WITHIN_S = 20


@GUNICORN_IN_LONG_RUNS
def test_a_start_deletes_the_folder_of_a_killed_run_but_no_used_one(
    kind: ServerKind, tmp_path: Path
) -> None:
    """Check too that an ended run, reloaded or not, leaves no folder in memory."""
    with begun_service(kind, tmp_path / "other.log", 1) as (other, _):
        used = folder_of(other)
        with begun_service(kind, tmp_path / "killed.log", 1) as (killed, _):
            left, workers = folder_of(killed), worker_ids(killed)
            os.kill(killed.process_id, signal.SIGKILL)
            wait_until(lambda: not any(map(is_running, workers)), ENDED_WITHIN_S)
        assert left.is_dir()
        with begun_service(kind, tmp_path / "next.log", 1) as (following, _):
            assert not left.exists()
            assert used.is_dir()
            folder = folder_of(following)
            assert folder.is_dir()
        assert not folder.exists()
        reload_workers(other)
        assert folder_of(other) == used
        assert used.is_dir()
    assert not used.exists()
