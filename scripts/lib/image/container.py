"""Run a process in the image as an engine does: namespaces, a read-only root, no rights."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from devkit.children import spawn, stop
from scripts.lib.image.build import Image, ImageError

START_TIMEOUT_S = 60
# Its arguments: the root, then the command. As engines do it mounts what is writable or of this
# machine over the root, which is then read-only.
_ENTER = """
set -e
root=$1; shift
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=64m shm "$root/dev/shm"
for name in null zero random urandom; do
  touch "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"
done
for name in hosts resolv.conf; do
  mount --bind "/etc/$name" "$root/etc/$name"
done
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec "$@"
"""
# The first process of a container; all others get its namespaces by its id on this machine.
_UNSHARE = ("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL")


@dataclass(frozen=True, slots=True)
class Container:
    """A running process of the image, in namespaces of its own."""

    image: Image
    environ: Mapping[str, str]
    outside: subprocess.Popen[bytes]
    log: Path

    @property
    def process_id(self) -> int:
        """The id, on this machine, of the container's process 1."""
        children = Path(f"/proc/{self.outside.pid}/task/{self.outside.pid}/children")
        return int(children.read_text(encoding="ascii").split()[0])

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run another command in the container, as `docker exec` does."""
        enter = ("nsenter", "--mount", "--pid", "--ipc", "--uts", "--target", str(self.process_id))
        return subprocess.run(
            [*enter, *_as_user(self.image, self.environ, command)],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )

    def terminate(self, within_s: float) -> int:
        """Send SIGTERM to process 1 and return its exit code."""
        os.kill(self.process_id, SIGTERM)
        try:
            return self.outside.wait(within_s)
        except subprocess.TimeoutExpired:
            raise ImageError(f"SIGTERM does not end it in {within_s} s") from None

    def output(self) -> str:
        """Return all that the process has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def running(
    image: Image, environ: Mapping[str, str], log: Path, *command: str
) -> Iterator[Container]:
    """Start a process of the image, `command` or that of its CMD; kill what is left of it."""
    inside = _as_user(image, environ, command or image.config["Cmd"])
    with log.open("wb") as output:
        outside = spawn(
            [*_UNSHARE, "sh", "-c", _ENTER, "sh", str(image.root), *inside], output=output
        )
    try:
        yield Container(image, environ, outside, log)
    finally:
        stop(outside)


def run_to_end(
    image: Image, environ: Mapping[str, str], log: Path, *command: str
) -> tuple[int, str]:
    """Run one command in a container of its own and return exit code and output."""
    with running(image, environ, log, *command) as container:
        code = container.outside.wait(START_TIMEOUT_S)
    return code, container.output()


def _as_user(image: Image, environ: Mapping[str, str], command: Sequence[str]) -> list[str]:
    """Return the command with the image's user, folder and variables, without any right."""
    folder, values = image.config["WorkingDir"], [*image.config["Env"]]
    values += [f"{name}={value}" for name, value in environ.items()]
    user = ("setpriv", "--no-new-privs", "chroot", f"--userspec={image.config['User']}")
    # chroot leaves the folder and the environment to the command.
    return [*user, "--groups=", str(image.root), "env", "-i", "-C", folder, *values, *command]
