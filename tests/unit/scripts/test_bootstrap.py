"""The conditions under which the virtual environment is updated."""

from pathlib import Path

import pytest

from scripts.lib.bootstrap import LAYERS, TOPS, is_installed, keep_installed
from tests.servers import ROOT

SERVICE, LOCAL, DEV = LAYERS
BENCH, BROWSER = TOPS
FILES = (*LAYERS, *TOPS)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with requirements and an empty virtual environment."""
    for name in FILES:
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr("scripts.lib.bootstrap.VENV", tmp_path / ".venv")
    return tmp_path


@pytest.mark.parametrize(
    ("installed", "satisfied"),
    [
        (SERVICE, {SERVICE}),
        (LOCAL, {SERVICE, LOCAL}),
        (DEV, {SERVICE, LOCAL, DEV}),
        (BENCH, {SERVICE, LOCAL, DEV, BENCH}),
        (BROWSER, {SERVICE, LOCAL, DEV, BROWSER}),
    ],
)
def test_an_installed_file_satisfies_every_smaller_one(
    project: Path, installed: str, satisfied: set[str]
) -> None:
    assert [name for name in FILES if is_installed(project / name)] == []
    keep_installed(project / installed)
    assert {name for name in FILES if is_installed(project / name)} == satisfied


def test_a_larger_file_changed_since_does_not_satisfy(project: Path) -> None:
    keep_installed(project / LOCAL)
    (project / LOCAL).write_text("# newer\n")
    assert not is_installed(project / SERVICE)


def test_each_file_includes_all_pins_of_the_smaller_ones() -> None:
    service, local, dev = (_pins(name) for name in LAYERS)
    assert service < local < dev
    assert [name for name in TOPS if not dev < _pins(name)] == []


def _pins(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line}
