"""Four servers in turn: ratios within rounds, floors only beside the worker of before."""

import subprocess
from pathlib import Path

import click
import pytest

from bench import earlier, server
from bench.pairs import Sample, rounds
from bench.server import BEFORE, OURS, PEERS


def sample(per_s: float, p99_ms: float) -> Sample:
    return Sample(per_s, {"p50_ms": 1, "p99_ms": p99_ms})


def round_of(ours: Sample, before: Sample) -> server.Round:
    return {OURS: ours, BEFORE: before, PEERS[1]: sample(1, 1), PEERS[2]: sample(1, 1)}


def test_sides_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def side(name: str) -> Sample:
        order.append(name)
        return Sample(len(order))

    found = rounds([lambda: side("A"), lambda: side("B"), lambda: side("C")], 2)

    assert "".join(order) == "ABCABCABC"
    assert [[each.figure for each in taken] for taken in found] == [[4, 5, 6], [7, 8, 9]]


def test_the_slowest_hundredth_is_compared_within_rounds() -> None:
    taken = [
        round_of(sample(1, ours), sample(1, before)) for ours, before in ((2, 4), (9, 3), (6, 5))
    ]
    found = server.p99("case", taken)
    assert found.ratios == [0.5, 3, 1.2]
    assert (found.ratio, found.is_held) == (1.2, False)
    assert server.p99("case", taken[:1]).is_held


def test_only_the_worker_of_before_sets_a_floor() -> None:
    taken = [round_of(sample(119, 1), sample(100, 1))]
    found = list(server.beside_all("case", "requests/s", taken, server.FASTER))
    assert [result.peer for result in found] == list(PEERS)
    assert [result.is_held for result in found] == [False, True, True]
    assert [result.bar for result in found[1:]] == [None, None]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose one commit holds `a.txt`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "a.txt").write_text("committed")
    own = ["-c", "user.name=bench", "-c", "user.email=bench@bench.test"]
    for words in (["init", "-q"], ["add", "."], [*own, "commit", "-q", "-m", "First"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    (folder / "a.txt").write_text("edited")
    monkeypatch.setattr(earlier, "ROOT", folder)
    return folder


def test_an_earlier_commit_is_checked_out_and_removed(repository: Path, tmp_path: Path) -> None:
    with earlier.checked_out("HEAD", tmp_path / "earlier") as folder:
        assert (folder / "a.txt").read_text() == "committed"
    assert not folder.exists()
    worktrees = ["git", "-C", str(repository), "worktree", "list"]
    found = subprocess.run(worktrees, check=True, capture_output=True, text=True).stdout
    assert len(found.splitlines()) == 1


def test_a_commit_that_is_missing_is_one_line_with_the_fix(
    repository: Path, tmp_path: Path
) -> None:
    with (
        pytest.raises(click.ClickException, match=r"^commit 2b98f09 is missing here: git fetch"),
        earlier.checked_out("2b98f09", tmp_path / "earlier"),
    ):
        pass
    assert (repository / "a.txt").read_text() == "edited"
