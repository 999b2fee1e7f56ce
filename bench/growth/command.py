"""`scripts/bench growth`: each part on real servers of its own."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.growth import accounts as redis_growth
from bench.growth import archivers as archiving
from bench.growth import keys as callers
from bench.growth import nodes as layouts
from bench.growth import stored
from bench.growth import workers as serving
from bench.growth.arrivals import simulate
from bench.growth.producer import Setting
from bench.growth.report import Report
from bench.sizes import Sizes
from bench.stage import standing
from bench.wrk import require_wrk
from scripts.lib.replay.trace import TraceError, read_trace

HELP = """Measure how cost grows: with organizations, turns, workers and nodes.

Figures have no floors. Compare the ratios: single absolute figures say as much about the
machine and about who else was at work on it.
"""

Command = Callable[..., None]
json_option = click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write everything here, too."
)
pairs_option = click.option("--pairs", type=click.IntRange(1), default=5, show_default=True)


@click.group(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the command; `HELP` describes it."""


@main.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--organizations", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--speed", type=click.FloatRange(0.01), default=100, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option(
    "--quota-share",
    type=click.FloatRange(min=0, min_open=True),
    default=0.1,
    show_default=True,
    help="Of a plan's turns, so that some run out within the trace.",
)
@click.option("--seed", default=1, show_default=True, help="Of what is made up.")
@json_option
def arrivals(trace: Path, *, file: Path | None, **options: Any) -> None:
    """Send the arrivals in TRACE from many organizations, and check the books.

    TRACE is CSV as for scripts/replay: TIMESTAMP,ContextTokens,GeneratedTokens.
    """
    path = Path(os.environ.get("CALLER_DIR", "")) / trace
    try:
        last_us = read_trace(path)[-1].offset_us
    except TraceError as error:
        raise click.ClickException(str(error)) from None
    # The last one occurs now.
    start_ms = (time.time_ns() // 1_000 - last_us) // 1_000
    with standing() as stage:
        report = Report.of(stage, trace=trace.name, **options)
        setting = Setting(stage.url, stage.redis_url, path, start_ms, **options)
        report.show("arrivals", [simulate(stage, setting)])
    report.print(file)


@main.command()
@click.argument("sizes", nargs=-1, type=click.IntRange(1))
@click.option("--relationships", type=click.IntRange(1), default=50_000, show_default=True)
@pairs_option
@json_option
def accounts(sizes: tuple[int, ...], *, relationships: int, pairs: int, file: Path | None) -> None:
    """Measure Redis with so many accounts (SIZES, by default 100 1000 10000 100000)."""
    sizes = sizes or (100, 1_000, 10_000, 100_000)
    with standing() as stage:
        report = Report.of(stage, sizes=sizes, relationships=relationships, pairs=pairs)
        report.take("bytes in Redis", redis_growth.run(stage, sizes, pairs, relationships))
    report.print(file)


@main.command()
@click.argument("sizes", nargs=-1, type=click.IntRange(1))
@click.option(
    "--cache-mb",
    type=click.IntRange(64),
    default=256,
    show_default=True,
    help="Of mongod: what the indexes fit in, or do not.",
)
@json_option
def turns(sizes: tuple[int, ...], *, cache_mb: int, file: Path | None) -> None:
    """Measure MongoDB as the ledger grows (SIZES, by default 10000 100000 1000000 turns)."""
    sizes = sizes or (10_000, 100_000, 1_000_000)
    with standing() as stage:
        report = Report.of(stage, sizes=sizes, cache_mb=cache_mb)
        measured = list(stored.run(stage, sizes, cache_mb))
        report.show("bytes and time a turn", [overall for overall, _ in measured])
        report.show("bytes a turn in each index", [by_index for _, by_index in measured])
    report.print(file)


@main.command()
@click.option("--turns", type=click.IntRange(1_000), default=100_000, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=5, show_default=True, help="A sample.")
@click.option("--connections", type=click.IntRange(1), default=16, show_default=True)
@pairs_option
@json_option
def workers(*, file: Path | None, **numbers: int) -> None:
    """Measure two workers beside one, and the CPU of each kind of request."""
    require_wrk()
    with standing() as stage:
        report = Report.of(stage, **numbers)
        report.take("CPU and capacity", serving.run(stage, Sizes(**numbers)))
    report.print(file)


@main.command()
@pairs_option
@json_option
def nodes(*, pairs: int, file: Path | None) -> None:
    """Measure Redis Cluster, Sentinel and a replica set, each beside one server."""
    with standing() as stage:
        report = Report.of(stage, pairs=pairs)
        report.take("organizations on the cluster", layouts.on_redis(stage, pairs))
        report.take("replica set", layouts.on_mongodb(stage, pairs))
    report.print(file)


@main.command()
@click.option("--accounts", type=click.IntRange(2), default=500, show_default=True)
@pairs_option
@json_option
def archivers(*, accounts: int, pairs: int, file: Path | None) -> None:
    """Measure two archivers beside one: with the same accounts, and with half of them each."""
    with standing() as stage:
        report = Report.of(stage, accounts=accounts, pairs=pairs)
        report.take("archivers", archiving.run(stage, pairs, accounts))
    report.print(file)


@main.command()
@pairs_option
@json_option
def keys(*, pairs: int, file: Path | None) -> None:
    """Measure a key that a worker must look up, beside one in its cache."""
    with standing() as stage:
        report = Report.of(stage, pairs=pairs)
        report.take("keys", callers.run(stage, pairs))
    report.print(file)


if __name__ == "__main__":
    main(prog_name="scripts/bench growth")
