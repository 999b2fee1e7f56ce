"""A virtual environment of requirements.txt alone, as a deploy installs it.

The tools of development make imports slower: redis-py, for example, imports OpenTelemetry where it
is installed.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT

FOLDER = ROOT / "var" / "bench" / "deployed"
REQUIREMENTS = ROOT / "requirements.txt"


def deployed_python() -> Path:
    """Return the environment's Python; create the environment if the requirements are new."""
    python, record = FOLDER / "bin" / "python", FOLDER / "installed"
    wanted = f"{sys.version} {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}"
    if not record.exists() or record.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "install", "--require-hashes", "-r", str(REQUIREMENTS)], check=True)
        record.write_text(wanted, encoding="utf-8")
    return python
