"""What a start imports, and what it leaves to the commands that need it."""

import subprocess
import sys

from tests.servers import ROOT, environ_for


def test_a_service_does_not_import_rich_and_its_commands_still_can() -> None:
    program = (
        "import sys, wsgi\n"
        "print([name for name in sys.modules if name.startswith('rich')])\n"
        "import structlog, rich.table\n"
        "print(structlog.dev.rich)\n"
    )
    environ = environ_for("", "", BACKEND="memory", OPERATOR_TOKEN="")
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, cwd=ROOT, check=True, capture_output=True)
    assert done.stdout == b"[]\nNone\n"
