"""`scripts/alerts` ends with one line where promtool is not installed."""

import os
import subprocess

from tests.servers import ROOT


def test_without_promtool_it_names_the_package() -> None:
    run = subprocess.run(
        [ROOT / "scripts" / "alerts"],
        env=os.environ | {"PROMTOOL": "promtool-that-is-not-there"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr == (
        "scripts/alerts needs promtool: apt-get install -y prometheus, or set PROMTOOL\n"
    )
