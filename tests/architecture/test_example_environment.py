"""`.env.example` is a file that shells read, too."""

import subprocess
from dataclasses import fields

from limits import parse

from config.settings import Settings
from tests.architecture.source import ROOT


def test_a_shell_can_read_the_example_environment() -> None:
    line = 'set -euo pipefail -a; . ./.env.example; printf "%s" "$IP_LIMIT"'
    read = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, check=False, capture_output=True, text=True, timeout=10
    )
    assert (read.returncode, read.stderr) == (0, "")
    defaults = {field.name: field.default for field in fields(Settings)}
    assert parse(read.stdout) == parse(str(defaults["ip_limit"]))
