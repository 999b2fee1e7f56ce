"""Create and update the virtual environment, then run a program in it.

    bootstrap.py REQUIREMENTS ARGUMENT...

installs REQUIREMENTS unless that file, or one that includes all of it, is installed unchanged. Then
it replaces itself by `.venv/bin/python ARGUMENT...`. Concurrent runs wait for each other. Uses the
standard library only.
"""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Each includes all pins of those before it.
LAYERS = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt")
# Each includes all pins of the layers, and none of the other's.
TOPS = ("requirements-bench.txt", "requirements-browser.txt")
# The start of a line of progress, in ASCII for every terminal.
STEP = "*"
IS_USABLE = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"


def main(requirements: str, *arguments: str) -> None:
    """Install `requirements`, then replace the process by `python arguments`."""
    # An exception ends a running pip too; the default action would not.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _one_at_a_time():
        if not _is_usable():
            _make()
        _install(ROOT / requirements)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execv(PYTHON, [str(PYTHON), *arguments])


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (ROOT / ".venv.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another script that sets up .venv")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_usable() -> bool:
    try:
        return _run([str(PYTHON), "-c", IS_USABLE], is_quiet=True).returncode == 0
    except OSError:
        return False


def _make() -> None:
    version = ".".join(str(part) for part in sys.version_info[:3])
    _say(f"creating .venv with Python {version}")
    made = _run([sys.executable, "-m", "venv", "--clear", str(VENV)], is_quiet=True)
    if made.returncode != 0:
        sys.exit(
            f"{made.stdout.strip()}\n{sys.executable} cannot create a virtual environment.\n"
            "On Debian: apt-get install -y python3-venv"
        )


def is_installed(requirements: Path) -> bool:
    """Return True if `requirements`, or a file that includes it, is installed unchanged."""
    return any(_is_recorded(requirements.with_name(name)) for name in _including(requirements.name))


def _including(name: str) -> Sequence[str]:
    return (name,) if name in TOPS else (*LAYERS[LAYERS.index(name) :], *TOPS)


def keep_installed(requirements: Path) -> None:
    """Store the digest of `requirements`, by which `is_installed` knows it."""
    _record_of(requirements).write_text(_digest(requirements), encoding="utf-8")


def _install(requirements: Path) -> None:
    if is_installed(requirements):
        return
    _say(f"installing {requirements.name}")
    pip = [str(PYTHON), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input"]
    if _run([*pip, "install", "--require-hashes", "-r", str(requirements)]).returncode != 0:
        sys.exit(f"{requirements.name} could not be installed: see pip's message above")
    keep_installed(requirements)


def _is_recorded(requirements: Path) -> bool:
    record = _record_of(requirements)
    return record.exists() and record.read_text(encoding="utf-8") == _digest(requirements)


def _record_of(requirements: Path) -> Path:
    return VENV / f"installed-{requirements.name}"


def _digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def _run(command: Sequence[str], *, is_quiet: bool = False) -> subprocess.CompletedProcess[str]:
    output = subprocess.PIPE if is_quiet else None
    errors = subprocess.STDOUT if is_quiet else None
    return subprocess.run(
        command, stdout=output, stderr=errors, encoding="utf-8", errors="replace", check=False
    )


def _say(text: str) -> None:
    print(f"{STEP} {text}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
