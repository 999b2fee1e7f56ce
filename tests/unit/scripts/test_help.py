"""`scripts/* --help` prints the head of the script, and needs nothing that must be installed."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from bench.__main__ import CASES
from bench.__main__ import main as bench
from scripts.lib.replay.__main__ import main as replay
from tests.servers import ROOT

# The commands; a sample trace lies beside them.
SCRIPTS = sorted(
    path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix
)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout of nothing but scripts, without a virtual environment."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


def help_of(checkout: Path, script: str, option: str = "--help") -> str:
    """Return what a script prints where no Python is on PATH."""
    tools = checkout / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("awk", "bash", "dirname"):
        found = shutil.which(tool)
        assert found
        (tools / tool).unlink(missing_ok=True)
        (tools / tool).symlink_to(found)
    ended = subprocess.run(
        ["bash", str(checkout / "scripts" / script), option],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_the_head_of_the_script_and_installs_nothing(
    bare: Path, script: str, option: str
) -> None:
    _, *lines = (bare / "scripts" / script).read_text(encoding="utf-8").splitlines()

    shown = help_of(bare, script, option).splitlines()

    assert len(shown) >= 2
    assert [f"# {line}".rstrip() for line in shown] == lines[: len(shown)]
    assert not lines[len(shown)].startswith("#")
    assert {path.name for path in bare.iterdir()} == {"scripts", "tools"}


@pytest.mark.parametrize(("script", "command"), [("replay", replay), ("bench", bench)])
def test_every_option_is_in_the_head(script: str, command: click.Command) -> None:
    shown = help_text(script).split()
    options = [option for each in command.params for option in each.opts if option.startswith("--")]
    assert [option for option in options if option not in shown] == []


def test_every_case_of_the_bench_is_in_the_head() -> None:
    assert set(CASES) <= set(help_text("bench").split())


def help_text(script: str) -> str:
    """Return the comment at the top of a script."""
    ended = subprocess.run(
        [str(ROOT / "scripts" / script), "--help"], capture_output=True, text=True, check=True
    )
    return ended.stdout
