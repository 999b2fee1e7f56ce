"""Closed-loop load by wrk: as many requests as so many connections can get answered."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click
import orjson

_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """Answers of a load; latencies are from the sending of a request to its whole answer."""

    count: int
    per_s: float
    p50_ms: float
    p99_ms: float
    refused_count: int


def require_wrk() -> str:
    """Return wrk's path; ClickException with the next step if there is none."""
    found = shutil.which("wrk")
    if found is None:
        raise click.ClickException("wrk is missing; on Debian, as root: apt-get install -y wrk")
    return found


def loaded(
    url: str,
    headers: Mapping[str, str],
    *,
    seconds: int,
    connections: int,
    bodies: Sequence[bytes] = (),
) -> Load:
    """Load `url` with GETs, or with a POST for each of `bodies`, which must be more than enough.

    AssertionError if a connection broke, or if the bodies ran out.
    """
    report = _load(url, headers, seconds, connections, bodies)
    if report["broken"] or report["posted"] > report["bodies"]:
        raise AssertionError(f"{url}: a connection broke, or the bodies ran out: {report}")
    return Load(
        report["requests"],
        report["requests"] / report["duration_us"] * 1_000_000,
        report["p50_us"] / 1_000,
        report["p99_us"] / 1_000,
        report["not_2xx_or_3xx"],
    )


def _load(
    url: str,
    headers: Mapping[str, str],
    seconds: int,
    connections: int,
    bodies: Sequence[bytes],
) -> dict[str, Any]:
    command = [require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=10s"]
    command += [word for name in headers for word in ("-H", f"{name}: {headers[name]}")]
    with NamedTemporaryFile("w+b") as file:
        file.write(b"\n".join(bodies))
        file.flush()
        script = ["-s", str(_SCRIPT), url, *(["--", file.name] if bodies else [])]
        done = subprocess.run([*command, *script], check=True, capture_output=True)
    report: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return report
