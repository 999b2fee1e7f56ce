"""Print the messages of the local run."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib import ROOT
from scripts.lib.bootstrap import STEP


class Failure(Exception):
    """The local run cannot continue; the message is one line that names the next step."""


def say(text: str) -> None:
    """Print one step of progress."""
    print(f"{STEP} {text}", flush=True)


def warn(text: str) -> None:
    """Print a warning to standard error."""
    print(f"WARNING: {text}", file=sys.stderr, flush=True)


def print_ready(base_url: str, demo: Mapping[str, Any], seconds: float) -> None:
    """Print the address, the keys, and a command to try."""
    keys = demo["keys"]
    rows = [(plan, scope, key) for plan, scopes in keys.items() for scope, key in scopes.items()]
    rows.append(("pro", "read_write (test)", demo["test_key"]))
    lines = [
        "",
        f"Turnledger answers at {base_url} (servers ready in {seconds:.1f} s). Ctrl-C ends it.",
        "",
        f"  curl -s -H 'Authorization: Bearer {keys['pro']['read_write']}' \\",
        f"    '{base_url}/v1/interactions?limit=2'",
        "",
        *(f"  {plan:<11}{scope:<19}{key}" for plan, scope, key in rows),
        "",
    ]
    print("\n".join(lines), flush=True)


def print_paths(folder: Path, service_log: Path, *, has_commands: bool) -> None:
    """Print the paths of addresses, keys and log, and a command of `flask`."""
    print(f"  Addresses and keys: {folder / 'demo.json'}   Log: {service_log}", flush=True)
    if has_commands:
        # In a subshell, because the variables are valid for this run only.
        run = f"cd {shlex.quote(str(ROOT))} && . {shlex.quote(str(folder / 'env'))}"
        print(f"  Commands: ({run} && .venv/bin/flask --app wsgi org list)", flush=True)
