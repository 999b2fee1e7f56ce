"""Check what the processes of the image must do, one step after the other."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devkit.children import free_port
from scripts.lib.image.build import Image, ImageError
from scripts.lib.image.client import Client, new_turn
from scripts.lib.image.container import START_TIMEOUT_S, Container, run_to_end, running
from scripts.lib.local.messages import say

# compose.yaml kills a process after so long.
STOP_TIMEOUT_S = 30
POLL_INTERVAL_S = 0.1
RELEASE = ("flask", "--app", "wsgi", "db", "init")
WORKER = ("flask", "--app", "wsgi", "worker")
# No arguments: the image's own command.
WEBS = ((), ("gunicorn", "-c", "config/gunicorn.py", "wsgi:app"))
_FILES = {"LICENSE", "app", "config", "deploy", "requirements.txt", "wsgi.py", "__pycache__"}
_MISSING_SETTINGS = 3
_KEY = re.compile(r"^uniq_live_\w+$", re.MULTILINE)
_WRITE = "open('/srv/turnledger/written', 'w')"


@dataclass(frozen=True, slots=True)
class Trial:
    """The image, the environment of its processes, and a folder for their output."""

    image: Image
    environ: Mapping[str, str]
    folder: Path

    def run(self) -> None:
        """Check everything; ImageError names the first step that does not hold."""
        self._check_files()
        self._check_missing_settings()
        self._check_release()
        for command in WEBS:
            self._check_web(*command)
        self._check_worker()

    def _check_files(self) -> None:
        root = self.image.root
        service = root / "srv/turnledger"
        found = {path.name for path in service.iterdir()}
        _require(found == _FILES, f"its folder has {sorted(found)}")
        modules, compiled = [*service.rglob("*.py")], [*service.rglob("*.pyc")]
        _require(len(modules) == len(compiled), "a module is not compiled")
        _require(not [*(root / "venv/bin").glob("pip*")], "pip is in the environment")
        sizes = [
            path.lstat().st_size for top in (service, root / "venv") for path in top.rglob("*")
        ]
        say(f"{sum(sizes) / 1e6:.0f} MB over the base, all modules compiled, no pip")

    def _check_missing_settings(self) -> None:
        code, output = self._run_to_end({}, *WORKER)
        is_refused = code == _MISSING_SETTINGS and "KEY_PEPPERS: is not set" in output
        _require(is_refused, f"without settings it ends with {code}: {output}")
        say("without settings it ends and names each missing one")

    def _check_release(self) -> None:
        code, output = self._run_to_end(self.environ, *RELEASE)
        _require(code == 0, f"the release step ends with {code}: {output}")
        say("the release step makes indexes and validators")

    def _check_web(self, *command: str) -> None:
        environ = {**self.environ, "PORT": str(free_port())}
        with running(self.image, environ, self.folder / "web.log", *command) as web:
            client = Client(int(environ["PORT"]))
            _wait_for(lambda: client.status("/readyz") == 200, web)
            _check_rights(web)
            self._check_health(web)
            _check_turn(web, client)
            seconds = _terminate(web)
        name = " ".join(command or self.image.config["Cmd"])
        say(
            f"{name}: ready, healthy, no rights, records a turn, ends {seconds:.1f} s after SIGTERM"
        )

    def _check_health(self, web: Container) -> None:
        kind, *command = self.image.config["Healthcheck"]["Test"]
        healthy = web.execute(*command)
        _require(kind == "CMD" and healthy.returncode == 0, f"not healthy: {healthy.stderr}")
        other = web.execute("env", f"PORT={free_port()}", *command)
        _require(other.returncode == 1, "a closed port is healthy")

    def _check_worker(self) -> None:
        with running(self.image, self.environ, self.folder / "worker.log", *WORKER) as worker:
            _wait_for(lambda: "worker_started" in worker.output(), worker)
            _check_rights(worker)
            seconds = _terminate(worker)
        say(f"the worker starts, and ends {seconds:.1f} s after SIGTERM")

    def _run_to_end(self, environ: Mapping[str, str], *command: str) -> tuple[int, str]:
        return run_to_end(self.image, environ, self.folder / "command.log", *command)


def _check_rights(container: Container) -> None:
    """Raise ImageError unless process 1 is an unprivileged user that can write nothing."""
    status = Path(f"/proc/{container.process_id}/status").read_text(encoding="ascii")
    user = container.image.config["User"].partition(":")[0]
    _require(f"Uid:\t{user}\t{user}\t{user}\t{user}\n" in status, "it runs as another user")
    _require("CapEff:\t0000000000000000\n" in status, "it has capabilities")
    _require("NSpid:" in status and "\t1\n" in status.partition("NSpid:")[2], "it is not process 1")
    written = container.execute("python", "-c", _WRITE)
    _require("Read-only file system" in written.stderr, "its root can be written")


def _check_turn(web: Container, client: Client) -> None:
    """Make an organization and a key, and record one turn twice."""
    name = f"Trial {time.time_ns()}"
    made = web.execute("flask", "org", "create", name, "--plan", "free")
    organization = re.search(r"org_[0-9A-Z]+", made.stdout)
    if organization is None:
        raise ImageError(f"no organization was made: {made.stderr}")
    shown = web.execute("flask", "key", "create", organization[0], "--scope", "read_write")
    key = _KEY.search(shown.stdout)
    if key is None:
        raise ImageError(f"no key was made: {shown.stderr}")
    turn = new_turn()
    statuses = [client.record(turn, key[0]) for _ in range(2)]
    _require(statuses == [201, 200], f"a turn that is sent twice is answered {statuses}")


def _terminate(container: Container) -> float:
    """Send SIGTERM and return the seconds until the end; ImageError unless the exit code is 0."""
    began = time.monotonic()
    code = container.terminate(STOP_TIMEOUT_S)
    _require(code == 0, f"it ended with {code}: {container.output()[-2_000:]}")
    return time.monotonic() - began


def _wait_for(is_true: Callable[[], bool], container: Container) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_true():
        is_late = time.monotonic() > deadline
        _require(container.outside.poll() is None and not is_late, container.output()[-2_000:])
        time.sleep(POLL_INTERVAL_S)


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - an assertion
    if not holds:
        raise ImageError(otherwise)
