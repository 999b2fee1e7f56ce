"""Write what the commands of `python -m turnledger` show, in lines of 80 columns."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .._core.clock import format_ms
from .._core.values import Account
from ..errors import OutboxError
from .adopting import damaged_files, mark_adopted, read_damaged
from .database import connect_existing
from .export import occurred_ms
from .store import Outbox

_NOTES = {
    "open": "the model call runs, or its process died",
    "waiting": "send them by `python -m turnledger send`",
    "refused": "list them by `python -m turnledger refused`",
}
# Only an account that is new to the file adds rows here, and none is.
_MOST_TURNS = 1 << 40


@dataclass(frozen=True, slots=True)
class _Known:
    """Name an account of the file."""

    account: Account
    organization_id: str | None
    environment: str | None

    @property
    def title(self) -> str:
        """Return the account's line."""
        where = " ".join(text for text in (self.organization_id, self.environment) if text)
        return f"{self.account.fingerprint} {self.account.base_url} {where}".rstrip()


def status(path: Path) -> list[str]:
    """Return how many turns are open, wait and were refused, for each account."""
    lines = [f"Outbox {path}"]
    if not path.exists():
        lines.append("There is no such file: nothing waits.")
    for known in _accounts(path):
        with closing(_outbox(path, known.account)) as outbox:
            counts = outbox.counts()
        lines += ["", known.title]
        for name, note in _NOTES.items():
            count: int = getattr(counts, name)
            lines.append(f"  {name:8}{count:>8}" + (f"  {note}" if count else ""))
    damaged = damaged_files(path)
    if damaged:
        lines += ["", "Damaged files, to be read by `python -m turnledger adopt`:"]
        lines += [f"  {file.name}" for file in damaged]
    return lines


def refused(path: Path, fingerprint: str | None) -> list[str]:
    """Return each refused turn with the ledger's reason."""
    with closing(_outbox(path, _chosen(path, fingerprint))) as outbox:
        rows = outbox.refused_rows()
    if not rows:
        return ["The ledger refused nothing."]
    lines: list[str] = []
    for row in rows:
        lines += [f"{format_ms(occurred_ms(row))}  {row.refusal}", f"  turn {row.turn_id}"]
    return lines


def export(path: Path, fingerprint: str | None, file: Path) -> list[str]:
    """Write refused turns to a file that is new; return what to do with it."""
    if file.suffix.lower() not in {".ndjson", ".jsonl"}:
        raise OutboxError(f"{file} must end in .ndjson: an import decides by the name.")
    if file.exists():
        raise OutboxError(f"{file} exists. Name a new file.")
    with closing(_outbox(path, _chosen(path, fingerprint))) as outbox:
        count = outbox.export(file)
    return [
        f"Turns written to {file}: {count}. They stay in the outbox.",
        "On the ledger's host, for turns that are at most 179 days old:",
        f"  flask turns import ORGANIZATION {file.name}",
    ]


def adopt(path: Path) -> list[str]:
    """Move what can be read in damaged files into the outbox."""
    lines: list[str] = []
    for file in damaged_files(path):
        found = read_damaged(file)
        with closing(_outbox(path, Account("", ""))) as outbox:
            outbox.adopt(found.accounts, found.turns)
        mark_adopted(file)
        lines.append(f"Turns read from {file.name}: {len(found.turns)}.")
    return lines or ["There is no damaged file."]


def _accounts(path: Path) -> list[_Known]:
    if not path.exists():
        return []
    query = (
        "SELECT fingerprint, coalesce(base_url, ''), organization_id, environment FROM account"
        " WHERE fingerprint<>'' ORDER BY base_url, fingerprint"
    )
    try:
        with closing(connect_existing(path)) as connection:
            rows = connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise OutboxError(f"{path} cannot be read: {error}.") from error
    return [_Known(Account(base_url, name), *rest) for name, base_url, *rest in rows]


def _chosen(path: Path, fingerprint: str | None) -> Account:
    found = [known for known in _accounts(path) if fingerprint in {None, known.account.fingerprint}]
    if not found:
        missing = f" {fingerprint}" if fingerprint else ""
        raise OutboxError(f"The outbox {path} has no account{missing}.")
    if len(found) > 1:
        titles = "\n".join(f"  {known.title}" for known in found)
        raise OutboxError(f"The outbox has several accounts. Name one by --account:\n{titles}")
    return found[0].account


def _outbox(path: Path, account: Account) -> Outbox:
    return Outbox(path, account, max_turns=_MOST_TURNS, fsync=True, now_ms=_now_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
