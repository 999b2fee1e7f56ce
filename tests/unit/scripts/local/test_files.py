"""What the local run keeps, and what it says when that is gone."""

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
