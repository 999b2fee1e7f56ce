"""Make a base image of Debian's packages, and build the Dockerfile on it."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib import ROOT

PACKAGES = "ca-certificates,python3,python3-venv,python3-pip"
# Where the official image has its interpreter, so that the virtual environment finds it in both.
PYTHON_NAMES = ("usr/local/bin/python", "usr/local/bin/python3")
AUTHORITIES = Path("etc/ssl/certs/ca-certificates.crt")
TAG = "turnledger"
_BASE = re.compile(r"^FROM (python:([\d.]+)-slim-(\w+))$", re.MULTILINE)


class ImageError(Exception):
    """The image cannot be built, or does not do what it must; the text has the reason."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its files in `root`, and what it says about its processes."""

    root: Path
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Buildah:
    """The command `buildah` with a store of its own in `folder`."""

    folder: Path

    def run(self, *arguments: str) -> str:
        """Run one command and return its output."""
        store = ("--root", str(self.folder / "store"), "--runroot", str(self.folder / "run"))
        return run("buildah", *store, *arguments)

    def close(self) -> None:
        """Unmount and delete every container and image."""
        self.run("rm", "--all")
        self.run("rmi", "--all", "--force")


def require_tools() -> None:
    """Raise ImageError unless Debian's tools are there."""
    missing = [name for name in ("debootstrap", "buildah") if shutil.which(name) is None]
    if missing:
        names = " ".join(missing)
        raise ImageError(f"{names} is missing. On Debian: apt-get install {names}")


def make_base(folder: Path) -> None:
    """Make a root of Debian's packages with the Dockerfile's minor version of Python."""
    _, version, suite = _base()
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(unfinished))
        unfinished.rename(folder)
    for name in PYTHON_NAMES:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to("/usr/bin/python3")
    # A registry may be behind a proxy with an authority that only this machine knows.
    shutil.copyfile(Path("/") / AUTHORITIES, folder / AUTHORITIES)
    found = run("chroot", str(folder), "python", "--version").split()[1]
    if not found.startswith(f"{version}."):
        raise ImageError(f"Debian {suite} has Python {found}, and the Dockerfile needs {version}")


def build(buildah: Buildah, base: Path) -> Image:
    """Build the Dockerfile on `base` and return the image, mounted."""
    name, _, _ = _base()
    container = buildah.run("from", "scratch").strip()
    buildah.run("add", "--quiet", container, f"{base}/", "/")
    path = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
    buildah.run("config", "--env", f"PATH={path}", container)
    buildah.run("commit", "--quiet", "--rm", container, name)
    # The format that keeps the health check. chroot needs no rights of an engine.
    options = ("--isolation", "chroot", "--pull-never", "--format", "docker", "--tag", TAG)
    buildah.run("build", *options, str(ROOT))
    config = json.loads(buildah.run("inspect", "--type", "image", TAG))["Docker"]
    root = buildah.run("mount", buildah.run("from", "--pull-never", TAG).strip()).strip()
    return Image(Path(root), config["config"])


def run(*command: str) -> str:
    """Run a program and return its output; if it fails, raise ImageError with its last lines."""
    done = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode != 0:
        raise ImageError(f"{' '.join(command)} failed:\n{_last_lines(done.stdout + done.stderr)}")
    return done.stdout


def _base() -> Sequence[str]:
    """Return name, Python version and Debian suite of the base image."""
    found = set(_BASE.findall((ROOT / "Dockerfile").read_text(encoding="utf-8")))
    if len(found) != 1:
        raise ImageError("the Dockerfile needs one base like python:3.11-slim-bookworm")
    base: Sequence[str] = found.pop()
    return base


def _last_lines(text: str, most_count: int = 20) -> str:
    return "\n".join(text.splitlines()[-most_count:])
