"""Answers one request again and again in this process, counted by callgrind: see `command`.

    process.py APPLICATION PATH STATUS COUNT PROCESS_ID…

The headers come as JSON in BENCH_HEADERS. The others under callgrind are PROCESS_ID…; each, and
this process, leaves a dump of what it did meanwhile. Exit status 1 unless (nearly) every answer has
STATUS: a bucket fills, and valgrind is slow.
"""

import os
import subprocess
import sys
from collections import Counter
from importlib import import_module
from typing import Any

import orjson
from werkzeug.test import EnvironBuilder, run_wsgi_app

WARM_COUNT = 50
LEAST_SHARE = 0.9


def main(application: str, path: str, status: str, count: str, *others: str) -> None:
    """Warm up, then count."""
    module, _, name = application.partition(":")
    app = getattr(import_module(module), name)
    headers = orjson.loads(os.environ["BENCH_HEADERS"])
    environ = EnvironBuilder(path=path, headers=headers).get_environ()
    _answered(app, environ, WARM_COUNT)
    # This process is counted innermost, so that asking callgrind is counted least.
    processes = [*others, str(os.getpid())]
    for process_id in processes:
        _control("--zero", process_id)
        _control("--instr=on", process_id)
    statuses = _answered(app, environ, int(count))
    for process_id in reversed(processes):
        _control("--instr=off", process_id)
        _control("--dump", process_id)
    if statuses[status] < LEAST_SHARE * int(count):
        sys.exit(f"{path} was answered {dict(statuses)} and not {status}")


def _answered(app: Any, environ: dict[str, Any], count: int) -> Counter[str]:
    """Return the statuses of so many answers."""
    return Counter(run_wsgi_app(app, dict(environ))[1].partition(" ")[0] for _ in range(count))


def _control(*arguments: str) -> None:
    subprocess.run(["callgrind_control", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
