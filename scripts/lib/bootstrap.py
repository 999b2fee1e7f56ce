"""Makes the virtual environment, keeps it up to date, and becomes the program asked for.

    bootstrap.py REQUIREMENTS ARGUMENT...

installs REQUIREMENTS only if that file, or one that holds all of it, changed since it was last
installed, then replaces itself by `.venv/bin/python ARGUMENT...`. Two that start at once take
turns. Standard library only.
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
# Each holds all of those before it, pin for pin.
LAYERS = (
    "requirements.txt",
    "requirements-local.txt",
    "requirements-dev.txt",
    "requirements-bench.txt",
)
# How a line of progress begins; any terminal can show it.
STEP = "*"
IS_USABLE = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"


def main(requirements: str, *arguments: str) -> None:
    """Set up what `requirements` names, then become `python arguments`."""
    # Turned into an exception, so that a running pip is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _taking_turns():
        if not _is_usable():
            _make()
        _install(ROOT / requirements)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execv(PYTHON, [str(PYTHON), *arguments])


@contextmanager
def _taking_turns() -> Iterator[None]:
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
    _say(f"making .venv with Python {version}")
    made = _run([sys.executable, "-m", "venv", "--clear", str(VENV)], is_quiet=True)
    if made.returncode != 0:
        sys.exit(
            f"{made.stdout.strip()}\n{sys.executable} cannot make a virtual environment.\n"
            "On Debian: apt-get install -y python3-venv"
        )


def is_installed(requirements: Path) -> bool:
    """Whether `requirements`, or one that holds all of it, was installed as it now stands."""
    larger = LAYERS[LAYERS.index(requirements.name) :]
    return any(_is_stamped(requirements.with_name(name)) for name in larger)


def keep_installed(requirements: Path) -> None:
    """Remember that `requirements` was installed as it now stands."""
    _stamp(requirements).write_text(_digest(requirements), encoding="utf-8")


def _install(requirements: Path) -> None:
    if is_installed(requirements):
        return
    _say(f"installing {requirements.name}")
    pip = [str(PYTHON), "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input"]
    if _run([*pip, "install", "--require-hashes", "-r", str(requirements)]).returncode != 0:
        sys.exit(f"{requirements.name} could not be installed: see pip's message above")
    keep_installed(requirements)


def _is_stamped(requirements: Path) -> bool:
    stamp = _stamp(requirements)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _digest(requirements)


def _stamp(requirements: Path) -> Path:
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
