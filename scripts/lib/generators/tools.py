"""Install tools with pinned versions into a folder, and run them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NPM_PACKAGES: Mapping[str, str] = {
    "@redocly/cli": "2.77.0",
    "openapi-typescript": "7.13.0",
    "openapi-fetch": "0.17.0",
    "typescript": "5.9.3",
}
PYTHON_PACKAGES: Mapping[str, str] = {"openapi-python-client": "0.29.1"}
LEAST_NODE = 20
_TIMEOUT_S = 600


class ToolFailed(Exception):
    """A tool is missing, or ended with an error; the text has its output."""


class Tools:
    """The tools in one folder; `run` finds them before those on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._python = folder / "venv" / "bin"
        path = [str(folder / "node_modules" / ".bin"), str(self._python), os.environ["PATH"]]
        self._environ = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            "REDOCLY_TELEMETRY": "off",
            "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
        }

    def install(self) -> None:
        """Install every tool; ToolFailed if Node or npm is missing or too old."""
        require_node()
        (self.folder / "package.json").write_text(
            '{"private": true, "type": "module"}\n', encoding="utf-8"
        )
        packages = [f"{name}@{version}" for name, version in NPM_PACKAGES.items()]
        self.run("npm", "install", "--no-audit", "--no-fund", "--silent", *packages)
        self.run(sys.executable, "-m", "venv", str(self.folder / "venv"))
        packages = [f"{name}=={version}" for name, version in PYTHON_PACKAGES.items()]
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        self.run(str(self._python / "python"), *pip, *packages)

    def run(self, *command: str, environ: Mapping[str, str] | None = None) -> str:
        """Run a command in the folder; return its standard output.

        Raises ToolFailed with all that it printed if it ends with an error.
        """
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self._environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            encoding="utf-8",
            timeout=_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise ToolFailed(
                f"{_shown(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout


def require_node() -> None:
    """Raise ToolFailed with the next step unless Node and npm can be used."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise ToolFailed(f"Node and npm are not on PATH. Install Node {LEAST_NODE} or later.")
    done = subprocess.run([node, "--version"], capture_output=True, check=True, encoding="ascii")
    major = int(done.stdout.removeprefix("v").partition(".")[0])
    if major < LEAST_NODE:
        raise ToolFailed(f"Node {major} is too old. Install Node {LEAST_NODE} or later.")


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])
