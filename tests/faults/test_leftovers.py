"""The folder in memory on both servers: each run has its own, and none is left behind."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.kit.starts import begun_service
from tests.faults.kit.workers import folder_of, is_running, reload_workers, worker_ids
from tests.servers import ServerKind, wait_until

ENDED_WITHIN_S = 20


@pytest.mark.parametrize("is_reloaded", [False, True], ids=["", "reloaded"])
def test_an_ended_run_leaves_no_folder_in_memory(
    kind: ServerKind, tmp_path: Path, *, is_reloaded: bool
) -> None:
    with begun_service(kind, tmp_path / "service.log") as (service, _):
        folder = folder_of(service)
        if is_reloaded:
            reload_workers(service)
            assert folder_of(service) == folder
        assert folder.is_dir()
    assert not folder.exists()


def test_a_start_deletes_the_folder_of_a_killed_run_but_no_used_one(
    kind: ServerKind, tmp_path: Path
) -> None:
    with begun_service(kind, tmp_path / "other.log") as (other, _):
        with begun_service(kind, tmp_path / "killed.log") as (killed, _):
            left, workers = folder_of(killed), worker_ids(killed)
            os.kill(killed.process_id, signal.SIGKILL)
            wait_until(lambda: not any(map(is_running, workers)), ENDED_WITHIN_S)
        assert left.is_dir()
        with begun_service(kind, tmp_path / "next.log") as (following, _):
            assert not left.exists()
            assert folder_of(other).is_dir()
            folder = folder_of(following)
        assert not folder.exists()
