"""Choose where turns are kept: in a file if this host can hold one, else in memory."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from .._core.values import Account
from .memory import MemoryOutbox
from .networks import network_type
from .owners import can_lock
from .store import Outbox

_log = logging.getLogger("turnledger")
MEMORY = "memory"
_warned: set[str] = set()


def choose_outbox(
    setting: str | os.PathLike[str] | None,
    account: Account,
    *,
    max_turns: int,
    fsync: bool,
    now_ms: Callable[[], int],
    environ: Mapping[str, str] = os.environ,
) -> Outbox | MemoryOutbox:
    """Return the outbox of a file, of `memory`, or of the usual file if nothing is set.

    Opens nothing. Where the file cannot be kept safely, turns stay in memory, with one warning.
    """
    in_memory = MemoryOutbox(account, max_turns=max_turns, now_ms=now_ms)
    if setting is not None and os.fspath(setting) == MEMORY:
        return in_memory
    path = usual_path(environ) if setting is None else Path(setting)
    problem = _problem_of(path, is_chosen=setting is not None)
    if problem is not None:
        _warn(path, problem)
        return in_memory
    return Outbox(path, account, max_turns=max_turns, fsync=fsync, now_ms=now_ms)


def usual_path(environ: Mapping[str, str]) -> Path:
    """Return `$XDG_STATE_HOME/turnledger/outbox.db`."""
    state = environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "turnledger" / "outbox.db"


def _problem_of(path: Path, *, is_chosen: bool) -> str | None:
    if not can_lock():
        return "this system has no file locks"
    kind = network_type(path)
    if kind is not None:
        return f"it is on a network disk ({kind})"
    # A file that the user chose fails loudly at its first use instead.
    if not is_chosen and not _is_writable(path):
        return "its folder cannot be written"
    return None


def _is_writable(path: Path) -> bool:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return os.access(there, os.W_OK)


def _warn(path: Path, problem: str) -> None:
    if str(path) in _warned:
        return
    _warned.add(str(path))
    _log.warning(
        "Turns are kept in memory and lost if this process dies; set TURNLEDGER_OUTBOX to a file"
        " on a disk of this host",
        extra={"file": str(path), "problem": problem},
    )
