"""What the local run keeps, and what it says when that is gone."""

import json
import stat
from pathlib import Path

import pytest

from scripts.lib.local.__main__ import seeded
from scripts.lib.local.files import DataFolder
from scripts.lib.local.messages import Failure

DEMO = {"keys": {"pro": {"read": "key"}}}


def test_a_demo_is_kept_for_the_stores_that_hold_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.keep_seed("bundled", DEMO)

    assert seeded(folder, "bundled") == DEMO


def test_a_start_without_a_demo_says_so_and_names_the_remedy(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.keep_seed("other", DEMO)

    with pytest.raises(Failure, match=r"lost the demo's keys.*start again"):
        seeded(folder, "bundled")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00"])
@pytest.mark.parametrize("name", ["secrets.json", "seeds.json"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, name: str, content: str) -> None:
    damaged = tmp_path / name
    damaged.write_text(content)
    folder = DataFolder(tmp_path)
    reads = {"secrets.json": lambda: folder.secrets({}), "seeds.json": lambda: folder.seed("any")}

    with pytest.raises(Failure, match="is damaged: put a copy of it back, or delete it") as refused:
        reads[name]()

    assert str(damaged) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert damaged.read_text() == content


def test_secrets_are_made_once_and_the_caller_s_win(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    made = folder.secrets({})

    assert folder.secrets({}) == made == json.loads((tmp_path / "secrets.json").read_text())
    assert folder.secrets({"ID_KEY": "mine"}) == made | {"ID_KEY": "mine"}
    assert folder.secrets({}) == made


def test_a_folder_becomes_its_owner_s_alone(tmp_path: Path) -> None:
    for folder in (tmp_path / "old", tmp_path / "new" / "deep"):
        if folder.name == "old":
            folder.mkdir(mode=0o755)
        DataFolder(folder).make_private()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_place_for_everybody_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(Failure, match="is open to everybody: choose another folder"):
        DataFolder(tmp_path).make_private()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_a_data_dir_that_is_a_file_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match=r"DATA_DIR .*file cannot be used"):
        DataFolder(tmp_path / "file").make_private()
