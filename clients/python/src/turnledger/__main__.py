"""Look after the outbox from a terminal: `python -m turnledger COMMAND`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import turnledger

from ._outbox.choosing import MEMORY, usual_path
from ._outbox.terminal import adopt, export, refused, status
from .errors import TurnledgerError

_DESCRIPTION = "Look after the turns that wait for the ledger, or were refused by it."
_EPILOG = "The file is --outbox, else TURNLEDGER_OUTBOX, else the usual one."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    setting = options.outbox or os.environ.get("TURNLEDGER_OUTBOX") or None
    if setting == MEMORY:
        return _fail("TURNLEDGER_OUTBOX is `memory`: there is no file. Name one by --outbox.")
    path = Path(setting) if setting else usual_path(os.environ)
    run: Callable[[Path, argparse.Namespace], int] = options.run
    try:
        return run(path, options)
    except (TurnledgerError, OSError) as error:
        return _fail(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m turnledger", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("--outbox", metavar="FILE", help="the outbox's file")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Path, argparse.Namespace], int], help_: str) -> _Parser:
        command = commands.add_parser(name, help=help_, description=help_)
        command.set_defaults(run=run)
        return command

    add("status", lambda path, _: _say(status(path)), "count the turns of each account")
    command = add("send", _send, "send what waits, also of processes that died")
    command.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS")
    command = add("refused", _refused, "list the turns that the ledger refused, and why")
    _add_account(command)
    command = add("export", _export, "write refused turns for `flask turns import`")
    command.add_argument("file", type=Path, metavar="FILE.ndjson")
    _add_account(command)
    add("adopt", lambda path, _: _say(adopt(path)), "take the readable turns of damaged files")
    return parser


_Parser = argparse.ArgumentParser


def _add_account(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--account", metavar="KEY", help="the account as `status` names it, if there are several"
    )


def _send(path: Path, options: argparse.Namespace) -> int:
    if not path.exists():
        return _say([f"There is no outbox at {path}: nothing waits."])
    with turnledger.Ledger(outbox=path) as ledger:
        is_empty = ledger.flush(timeout_s=options.timeout)
        counts = ledger.outbox.counts()
        obstacle = ledger.stats().obstacle
    if is_empty and not counts.waiting:
        return _say(["Nothing waits any more."])
    _say([obstacle] if obstacle else [])
    _say([f"Still waiting: {counts.waiting}. They stay in the outbox; send again later."])
    return 1


def _refused(path: Path, options: argparse.Namespace) -> int:
    return _say(refused(path, options.account))


def _export(path: Path, options: argparse.Namespace) -> int:
    return _say(export(path, options.account, options.file))


def _say(lines: Sequence[str]) -> int:
    sys.stdout.writelines(line + "\n" for line in lines)
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
