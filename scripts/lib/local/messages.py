"""Print the messages of the local run to the terminal."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib import ROOT
from scripts.lib.bootstrap import STEP


class Failure(Exception):
    """The local run cannot go on; the message is one line that contains the next step."""


def say(text: str) -> None:
    """Print one step of progress."""
    print(f"{STEP} {text}", flush=True)


def warn(text: str) -> None:
    """Print a warning."""
    print(f"WARNING: {text}", file=sys.stderr, flush=True)


def print_ready(
    base_url: str, demo: Mapping[str, Any], operator_token: str | None, seconds: float
) -> None:
    """Print the addresses, the keys, and a command to paste.

    `operator_token` is the one that this folder made, None for one that the caller has set.
    """
    keys = demo["keys"]
    rows = [(plan, scope, key) for plan, scopes in keys.items() for scope, key in scopes.items()]
    rows.append(("pro", "read_write (test)", demo["test_key"]))
    lines = [
        "",
        f"Turnledger answers at {base_url} (servers ready in {seconds:.1f} s). Ctrl-C ends it.",
        "",
        f"  Console         {base_url}/console",
        "  Log in with     any name, and the operator token",
        f"                  {operator_token or 'in your OPERATOR_TOKEN'}",
        f"  Try calls       {base_url}/docs",
        "",
        f"  curl -s -H 'Authorization: Bearer {keys['pro']['read_write']}' \\",
        f"    '{base_url}/v1/interactions?limit=2'",
        "",
        *(f"  {plan:<11}{scope:<19}{key}" for plan, scope, key in rows),
        "",
    ]
    print("\n".join(lines), flush=True)


def print_files(folder: Path, service_log: Path, *, has_commands: bool) -> None:
    """Print the files that keep addresses, keys and logs, and a command."""
    print(f"  Addresses and keys: {folder / 'demo.json'}   Log: {service_log}", flush=True)
    if has_commands:
        # In a subshell, because the variables name the stores of this run and of no other.
        run = f"cd {shlex.quote(str(ROOT))} && . {shlex.quote(str(folder / 'env'))}"
        print(f"  Commands: ({run} && .venv/bin/flask --app wsgi org list)", flush=True)
