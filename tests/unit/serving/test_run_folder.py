"""The folder that the processes of one run share."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.serving import run_folder


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder for this test; run folders made in it are closed at the end."""
    monkeypatch.setattr(run_folder, "MEMORY", str(tmp_path))
    monkeypatch.setattr(run_folder, "_own", {})
    monkeypatch.setenv(run_folder.VARIABLE, "")
    yield tmp_path
    for descriptor in run_folder._own.values():
        os.close(descriptor)


def leave(memory: Path, name: str) -> Path:
    """Make a folder as a killed run leaves it."""
    folder = memory / f"turnledger-{os.getuid()}-{name}"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "counter_1.db").touch()
    return folder


def test_a_run_creates_exports_and_deletes_its_folder(memory: Path) -> None:
    folder = run_folder.open_folder()
    assert folder.parent == memory
    assert os.environ[run_folder.VARIABLE] == str(folder)
    run_folder.close_folder()
    assert not folder.exists()


def test_the_next_start_deletes_the_folder_of_a_killed_run_but_no_locked_one(
    memory: Path,
) -> None:
    left, held, other = leave(memory, "left"), leave(memory, "held"), memory / "turnledger-x"
    other.mkdir()
    with (held / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = run_folder.open_folder()
        assert set(memory.iterdir()) == {held, other, folder}
    assert not left.exists()


def test_an_operators_folder_loses_old_counters_and_is_kept(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = leave(memory, "chosen")
    for name in ("alive_17", "alive_x", "gauge_livesum_17.db", "notes.txt"):
        (chosen / name).touch()
    monkeypatch.setenv(run_folder.VARIABLE, str(chosen))
    assert run_folder.open_folder() == chosen
    run_folder.close_folder()
    assert {path.name for path in chosen.iterdir()} == {"alive_x", "lock", "notes.txt"}


def test_a_worker_is_listed_from_its_first_heartbeat_until_its_removal(memory: Path) -> None:
    assert run_folder.heartbeat_age_s(memory, 17) == 0
    run_folder.note_heartbeat(memory, 17)
    assert run_folder.heartbeat_age_s(memory, 17) < 10
    seen_s = (memory / "alive_17").stat().st_mtime - 60
    os.utime(memory / "alive_17", (seen_s, seen_s))
    assert 60 <= run_folder.heartbeat_age_s(memory, 17) < 70
    run_folder.note_heartbeat(memory, 17)
    assert run_folder.heartbeat_age_s(memory, 17) < 10
    assert run_folder.workers(memory) == [17]
    run_folder.remove_worker(memory, 17)
    assert run_folder.workers(memory) == []


def test_a_removed_worker_keeps_its_counters_and_loses_its_gauges(memory: Path) -> None:
    kept = {"counter_17.db", "histogram_17.db", "gauge_liveall_170.db", "gauge_max_17.db"}
    for name in kept | {"gauge_liveall_17.db", "gauge_livesum_17.db"}:
        (memory / name).touch()
    run_folder.remove_worker(memory, 17)
    assert {path.name for path in memory.iterdir()} == kept
