"""Look at an outbox from a terminal: `python -m turnledger status`."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ._core.config import outbox_path
from ._core.values import Account, State
from ._outbox import Outbox
from ._sync import Ledger
from .errors import TurnledgerError

_NOBODY = Account("", "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    chosen = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = chosen.run
    try:
        return run(chosen)
    except (TurnledgerError, OSError, sqlite3.Error) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _status(chosen: argparse.Namespace) -> int:
    outbox = _existing(chosen)
    counts = outbox.counts()
    print(f"outbox    {outbox.path}")
    print(f"open      {counts.open:>8}  turns that run, or whose process has ended")
    print(f"waiting   {counts.waiting:>8}  turns that the ledger does not have yet")
    print(f"refused   {counts.refused:>8}  turns that the ledger refused for good")
    outbox.close()
    return 0


def _send(chosen: argparse.Namespace) -> int:
    with Ledger(outbox=_path(chosen), send="inline") as ledger:
        ledger.outbox.take_over()
        is_empty = ledger.flush(chosen.timeout)
        left = ledger.outbox.counts().waiting
    print("Everything is sent." if is_empty else f"{left} turns still wait: is the ledger up?")
    return 0 if is_empty else 1


def _refused(chosen: argparse.Namespace) -> int:
    outbox = _existing(chosen)
    count = 0
    for turn in outbox.refused():
        print(f"{turn.turn_id:<28}  {turn.reason}")
        count += 1
    if not count:
        print("No turn was refused.")
    outbox.close()
    return 0


def _export(chosen: argparse.Namespace) -> int:
    outbox = _existing(chosen)
    count = outbox.export(chosen.file)
    print(f"{count} turns are written to {chosen.file}: flask turns import ORG_ID {chosen.file}")
    outbox.close()
    return 0


def _adopt(chosen: argparse.Namespace) -> int:
    """Copy what can be read of another outbox file into this one."""
    with Ledger(outbox=_path(chosen), send="inline") as ledger:
        count = _copy(Path(chosen.file), ledger.outbox)
    print(f"{count} turns are taken over from {chosen.file}.")
    return 0


def _copy(file: Path, outbox: Outbox) -> int:
    count = 0
    source = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        rows = source.execute("SELECT turn_id, interaction_id, state, body FROM turn ORDER BY seq")
        for turn_id, interaction_id, state, body in rows:
            if state == State.REFUSED:
                continue
            if state == State.OPEN:
                state = State.RECORD if interaction_id is None else State.COMPLETE  # noqa: PLW2901
            outbox.add(turn_id, State(state), body, interaction_id)
            count += 1
    except sqlite3.DatabaseError as error:
        print(f"The rest cannot be read: {error}", file=sys.stderr)
    finally:
        source.close()
    return count


def _existing(chosen: argparse.Namespace) -> Outbox:
    path = _path(chosen)
    if path is None or not path.exists():
        raise FileNotFoundError(
            f"There is no outbox at {path}: pass --outbox FILE or set TURNLEDGER_OUTBOX."
        )
    return Outbox(path, _NOBODY)


def _path(chosen: argparse.Namespace) -> Path | None:
    return outbox_path(chosen.outbox)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m turnledger", description="Look at the outbox, and send what waits in it."
    )
    parser.add_argument("--outbox", metavar="FILE", help="default: TURNLEDGER_OUTBOX")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("status", _status, "Count the turns in the outbox.")
    send = add("send", _send, "Send what waits, and take over turns of ended processes.")
    send.add_argument("--timeout", type=float, default=30.0, help="in seconds (default: 30)")
    add("refused", _refused, "List turns that the ledger refused for good, with the reason.")
    export = add("export", _export, "Write refused turns to a file for `flask turns import`.")
    export.add_argument("file", metavar="FILE.ndjson")
    adopt = add("adopt", _adopt, "Take over what can be read of a damaged or moved outbox.")
    adopt.add_argument("file", metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
