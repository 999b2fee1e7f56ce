"""Answers one request again and again in this process, counted by callgrind: see `command`.

    process.py APPLICATION METHOD PATH STATUS COUNT PROCESS_ID…

The headers come as JSON in BENCH_HEADERS. A POST records a new turn each time. The others under
callgrind are PROCESS_ID…; each, and this process, leaves a dump of what it did meanwhile. Exit
status 1 unless (nearly) every answer has STATUS: a bucket fills, and valgrind is slow.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import orjson
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.turns import stateful

WARM_COUNT = 50
LEAST_SHARE = 0.9


def main(application: str, method: str, path: str, status: str, count: str, *others: str) -> None:
    """Warm up, then count."""
    module, _, name = application.partition(":")
    app = getattr(import_module(module), name)
    headers = orjson.loads(os.environ["BENCH_HEADERS"])
    environs = [_environ(method, path, headers) for _ in range(WARM_COUNT + int(count))]
    _answered(app, environs[:WARM_COUNT])
    # This process is counted innermost, so that asking callgrind is counted least.
    processes = [*others, str(os.getpid())]
    for process_id in processes:
        _control("--zero", process_id)
        _control("--instr=on", process_id)
    statuses = _answered(app, environs[WARM_COUNT:])
    for process_id in reversed(processes):
        _control("--instr=off", process_id)
        _control("--dump", process_id)
    if statuses[status] < LEAST_SHARE * int(count):
        sys.exit(f"{path} was answered {dict(statuses)} and not {status}")


def _environ(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    recording = stateful() if method == "POST" else None
    return EnvironBuilder(path=path, method=method, headers=headers, json=recording).get_environ()


def _answered(app: Any, environs: Iterable[dict[str, Any]]) -> Counter[str]:
    """Return the statuses of the answers."""
    return Counter(run_wsgi_app(app, environ)[1].partition(" ")[0] for environ in environs)


def _control(*arguments: str) -> None:
    subprocess.run(["callgrind_control", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
