"""`scripts/generators` has the versions that the page names, and says what it lacks."""

import re
import sys
from pathlib import Path

import pytest

from scripts.lib.generators.__main__ import TYPES
from scripts.lib.generators.tools import (
    NPM_PACKAGES,
    PYTHON_PACKAGES,
    ToolFailed,
    Tools,
    require_node,
)
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "api" / "README.md").read_text(encoding="utf-8")


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{text}\n", encoding="utf-8")
    file.chmod(0o755)


def test_the_page_names_the_versions_that_were_tried() -> None:
    npm = dict(re.findall(r"([a-z][a-z-]+)@(\d[\d.]+)", PAGE))
    python = dict(re.findall(r"([a-z][a-z-]+)==(\d[\d.]+)", PAGE))

    assert npm == {name: NPM_PACKAGES[name] for name in npm}
    assert set(npm) == {"openapi-typescript", "openapi-fetch", "typescript"}
    assert python == PYTHON_PACKAGES
    assert TYPES[-1] in PAGE


def test_no_part_of_a_submission_needs_the_generators() -> None:
    for name in (".ci/run", "scripts/check", "scripts/test"):
        assert "generators" not in (ROOT / name).read_text(encoding="utf-8")


def test_without_node_the_next_step_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolFailed, match="Install Node 20 or later"):
        require_node()


@pytest.mark.parametrize(("version", "is_new_enough"), [("v18.20.8", False), ("v22.1.0", True)])
def test_an_old_node_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, is_new_enough: bool
) -> None:
    program(tmp_path, "node", f"print('{version}')")
    program(tmp_path, "npm", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    if is_new_enough:
        require_node()
    else:
        with pytest.raises(ToolFailed, match="Node 18 is too old"):
            require_node()


def test_a_tool_that_fails_is_named_with_its_output(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "print('one'); raise SystemExit('two')")

    with pytest.raises(ToolFailed, match=r"(?s)ended with 1:\none\ntwo"):
        Tools(tmp_path).run(*command)
