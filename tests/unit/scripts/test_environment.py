"""Paths are relative to the folder of the scripts' caller."""

import os
from pathlib import Path

import pytest

from config.variables import Variables
from scripts.lib import ROOT
from scripts.lib.environment import begin, caller_path, data_dir


@pytest.fixture
def caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set `tmp_path` as the caller's folder."""
    monkeypatch.setenv("CALLER_DIR", str(tmp_path))
    monkeypatch.setenv("DATA_DIR", "")
    return monkeypatch


@pytest.mark.parametrize(
    ("given", "folder"),
    [("", ROOT / "var"), (" ", ROOT / "var"), ("data", "data"), (" ./data ", "data")],
)
def test_the_data_folder_is_relative_to_the_caller(
    caller: pytest.MonkeyPatch, tmp_path: Path, given: str, folder: Path | str
) -> None:
    caller.setenv("DATA_DIR", given)
    begin()
    assert data_dir(Variables()) == tmp_path / folder


def test_an_absolute_path_stays(caller: pytest.MonkeyPatch, tmp_path: Path) -> None:
    caller.setenv("DATA_DIR", str(tmp_path / "own"))
    begin()
    assert os.environ["DATA_DIR"] == str(tmp_path / "own")
    assert caller_path(Path("/a")) == Path("/a")
