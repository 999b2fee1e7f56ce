"""Keep the files of the local run under DATA_DIR, readable by its owner alone."""

import json
import os
import secrets
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.local.messages import Failure

SECRETS = ("KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS", "OPERATOR_TOKEN")
MARKER = "TURNLEDGER_RUN"
EXPORTED = ("BACKEND", "MONGODB_URI", "REDIS_URL", "REDIS_TIMEOUT_MS", *SECRETS)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folder of one local run and the files in it."""

    path: Path

    @property
    def service_log(self) -> Path:
        """The lines of the workers, appended at each start."""
        return self.path / "service.log"

    @property
    def worker_log(self) -> Path:
        """The lines of the worker that archives and reconciles, appended at each start."""
        return self.path / "worker.log"

    def make_private(self) -> None:
        """Make the folder, for its owner alone; Failure if all users may write to it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if self.path.stat().st_mode & stat.S_IWOTH:
                raise Failure(f"DATA_DIR {self.path} is open to everybody: choose another folder")
            self.path.chmod(0o700)
        except OSError as error:
            raise Failure(
                f"DATA_DIR {self.path} cannot be used ({error.strerror}): choose another folder"
            ) from None

    def owner_id(self) -> int:
        """Return the process that holds or last held the folder; 0 if none ever did."""
        try:
            return int((self.path / "pid").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return 0

    def keep_owner(self, process_id: int) -> None:
        """Store the process that holds the folder."""
        self._write("pid", f"{process_id}\n")

    def secrets(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the service's secrets: from the environment, or made once and kept."""
        kept = self._read("secrets.json") or {}
        made = {name: kept.get(name) or secrets.token_urlsafe(32) for name in SECRETS}
        if made != kept:
            self._write("secrets.json", _json(made))
        return {name: environ.get(name) or made[name] for name in SECRETS}

    def seed(self, stores: str) -> dict[str, Any] | None:
        """Return the demo that was seeded into `stores`, or None."""
        demo: dict[str, Any] | None = (self._read("seeds.json") or {}).get(stores)
        return demo

    def keep_seed(self, stores: str, demo: Mapping[str, Any]) -> None:
        """Store the demo that was seeded into `stores`: keys are shown only once."""
        seeds = self._read("seeds.json") or {}
        self._write("seeds.json", _json(seeds | {stores: demo}))

    def forget_addresses(self) -> None:
        """Delete the addresses of an earlier run."""
        for name in ("demo.json", "env"):
            (self.path / name).unlink(missing_ok=True)

    def announce(self, base_url: str, environ: Mapping[str, str], demo: Mapping[str, Any]) -> None:
        """Write `env` and `demo.json`, the latter last: once it exists, the service is ready."""
        exported = {MARKER: str(self.path)}
        exported |= {name: environ[name] for name in EXPORTED if name in environ}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exported.items()]
        self._write("env", "".join(lines))
        answer = {
            "base_url": base_url,
            "mongodb_uri": environ.get("MONGODB_URI"),
            "redis_url": environ.get("REDIS_URL"),
            "operator_token": environ["OPERATOR_TOKEN"],
            "keys": demo["keys"],
            "test_key": demo["test_key"],
            "organizations": demo["organizations"],
        }
        self._write("demo.json", _json(answer))

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.path / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise Failure(
                f"{path} is damaged: put a copy of it back, or delete it and start again; "
                "secrets and API keys are then replaced by new ones"
            )
        return content

    def _write(self, name: str, text: str) -> None:
        """Whole or not at all, and never readable by others, not even for a moment."""
        draft = self.path / f".{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        # A locale of ASCII leaves the bytes of other signs in a path as they are.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        draft.replace(self.path / name)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
