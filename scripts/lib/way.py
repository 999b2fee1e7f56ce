"""Count the own code on one request's way: files and functions of `app` and `config`.

It counts the code that runs inside Flask's test client, on an in-memory application that has
answered the same kind of request before. Each function counts once; lambdas and comprehensions
belong to the function that contains them. Code on other threads and of libraries does not count.
"""

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, groupby
from types import FrameType
from typing import Any

from flask import Flask

from app import create_app
from scripts.lib import ROOT

OWN = tuple(f"{ROOT / name}{os.sep}" for name in ("app", "config"))
WARM_UPS = 3
COUNTS = 3
_SECRETS = ("KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS")
_numbers = count(1)

Send = Callable[[], int]


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A function on the way."""

    file: str
    line: int
    name: str


@contextlib.contextmanager
def counting(own: tuple[str, ...] = OWN) -> Iterator[set[Step]]:
    """Collect the functions in files below `own` that this thread calls in the block."""
    steps: set[Step] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if (
            event == "call"
            and not code.co_name.startswith("<")
            and code.co_filename.startswith(own)
        ):
            file = os.path.relpath(code.co_filename, ROOT)
            steps.add(Step(file, code.co_firstlineno, code.co_qualname))

    sys.setprofile(note)
    try:
        yield steps
    finally:
        sys.setprofile(None)


def way_of(send: Send, own: tuple[str, ...] = OWN) -> set[Step]:
    """Return the functions on the way of a request; RuntimeError unless it succeeds.

    The shortest way of some counts: a cache may expire during one of them.
    """
    for _ in range(WARM_UPS):
        send()
    return min((_count(send, own) for _ in range(COUNTS)), key=len)


def _count(send: Send, own: tuple[str, ...]) -> set[Step]:
    with counting(own) as steps:
        status = send()
    if status >= 300:
        raise RuntimeError(f"a request that is counted was answered {status}")
    return steps


def requests_of(app: Flask) -> Mapping[str, Send]:
    """Return the requests that are counted, by name, for a new organization of `app`."""
    headers = {"Authorization": f"Bearer {_key(app)}"}
    client = app.test_client()

    def get(path: str) -> int:
        return client.get(path, headers=headers).status_code

    def record() -> int:
        return client.post("/v1/interactions", headers=headers, json=_turn()).status_code

    # In this order, so that the list has turns to show.
    return {
        "POST /v1/interactions": record,
        "GET /v1/interactions": lambda: get("/v1/interactions"),
        "GET /v1/me": lambda: get("/v1/me"),
    }


def _turn() -> dict[str, Any]:
    return {
        "turn_id": f"turn-{next(_numbers)}",
        "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "mode": "stateless",
        "status": "completed",
        "personality_id": "pers_ada",
        "latency_ms": 1840,
    }


def _key(app: Flask) -> str:
    organization = _typed(app, "org", "create", "Acme", "--plan", "enterprise", "--json")["id"]
    key = _typed(app, "key", "create", organization, "--scope", "admin", "--json")
    return str(key["key"])


def _typed(app: Flask, *words: str) -> dict[str, Any]:
    done = app.test_cli_runner().invoke(args=words)
    if done.exit_code != 0:
        raise RuntimeError(f"flask {' '.join(words)}: {done.output}")
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def _application() -> Flask:
    os.environ |= {"BACKEND": "memory", "FLASK_SKIP_DOTENV": "1"}
    os.environ |= dict.fromkeys(_SECRETS, "of-an-application-that-nobody-reaches")
    app = create_app()
    done = app.test_cli_runner().invoke(args=["db", "init"])
    if done.exit_code != 0:
        raise RuntimeError(done.output)
    return app


def main() -> None:
    """Print a table, and with `--list` every function."""
    parser = argparse.ArgumentParser("scripts/way", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="list the functions, too")
    asked = parser.parse_args()
    # The application's log lines go to standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        ways = {name: way_of(send) for name, send in requests_of(_application()).items()}
    print(f"{'request':24} {'files':>5} {'functions':>9}")
    for name, steps in ways.items():
        print(f"{name:24} {len({step.file for step in steps}):5} {len(steps):9}")
    for name, steps in ways.items() if asked.list else ():
        print(f"\n{name}")
        for file, group in groupby(sorted(steps), key=lambda step: step.file):
            print(f"  {file}: {', '.join(step.name for step in group)}")


if __name__ == "__main__":
    main()
