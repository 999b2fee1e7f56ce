"""An earlier commit of this repository, checked out beside it for as long as a block."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.servers import ROOT


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """Yield `folder` with a work tree of `commit`, and remove it at the end.

    Raises ClickException if the repository does not have the commit.
    """
    _git("worktree", "prune")  # a killed run has left its entry behind
    known = _git("rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}")
    if known.returncode:
        raise click.ClickException(f"commit {commit} is missing here: git fetch --unshallow")
    made = _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    if made.returncode:
        raise click.ClickException(made.stderr.strip())
    try:
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
