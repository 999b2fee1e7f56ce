"""`scripts/bench`: runs cases beside their peers and says which floors held."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from app.cli.output import print_record, print_records
from bench import (
    admission,
    aggregates,
    archiving,
    cold,
    depth,
    faulty,
    indexes,
    latency,
    listing,
    neighbours,
    plainly,
    record_many,
    recording,
    refused,
    reserve,
    server,
    size,
    spans,
)
from bench.growth import command as growth
from bench.instructions import command as instructions
from bench.pairs import Result
from bench.sizes import Sizes
from bench.stage import Stage, load_average, notes, standing
from bench.table import brief, line, record
from bench.wrk import require_wrk

Case = Callable[[Stage, Sizes], Iterator[Result]]
CASES: Mapping[str, Case] = {
    "spans": spans.run,
    "admission": admission.run,
    "refused": refused.run,
    "server": server.run,
    "list": listing.run,
    "peers": plainly.run,
    "depth": depth.run,
    "size": size.run,
    "batch": recording.run_batch,
    "single": recording.run_single,
    "record_many": record_many.run,
    "reserve": reserve.run,
    "latency": latency.run,
    "overload": latency.run_overload,
    "neighbours": neighbours.run,
    "cold": cold.run,
    "aggregates": aggregates.run,
    "archiving": archiving.run,
    "faulty": faulty.run,
    "indexes": indexes.run,
}
LEAST_PAIRS = 5
# Measured apart, and not judged.
APART: Mapping[str, click.Command] = {"growth": growth.main, "instructions": instructions.main}
WITHOUT_WRK = {"aggregates", "faulty", "archiving", "indexes", "neighbours", "reserve"}
HELP = """Run each CASE (all by default) and its peers alternately on real servers of its own.

Cases: {cases}.

The table has the median of the ratios within pairs, and their spread. Exit status 1 if a floor
does not hold. Fewer than {least} pairs are for a look at the bench itself: they judge nothing.

Needs wrk; the case `list` needs Node 20 and npm, and installs the packages of its peer once.
The case `server` needs git and the commit that it compares with. By default it takes 25 minutes and
`neighbours` 10; with --pairs 5 --seconds 1 --turns 20000 the two take 10.
Measured apart: how cost grows, `scripts/bench growth --help`, and how many machine instructions a
request takes, `scripts/bench instructions --help`.
""".format(cases=", ".join(CASES), least=LEAST_PAIRS)


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("cases", metavar="[CASE ...]", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--pairs", type=click.IntRange(1), default=LEAST_PAIRS, show_default=True)
@click.option("--turns", type=click.IntRange(5_000), default=1_000_000, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=5, show_default=True, help="A sample.")
@click.option("--connections", type=click.IntRange(1), default=64, show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write every pair here, too.")
def main(cases: tuple[str, ...], *, file: Path | None, **numbers: int) -> None:
    """Run the command; `HELP` describes it."""
    sizes, chosen = Sizes(**numbers), cases or tuple(CASES)
    results: list[Result] = []
    if not set(chosen) <= WITHOUT_WRK:
        require_wrk()
    with standing() as stage:
        noted: dict[str, Any] = {**asdict(sizes), **notes(stage)}
        try:
            for name in chosen:
                click.echo(f"· {name}", err=True)
                for result in CASES[name](stage, sizes):
                    results.append(result)
                    click.echo(f"  {brief(result)}", err=True)
        finally:  # a case that breaks does not take those before it along
            _print(noted | {"load_after": load_average()}, results, file)
    if sizes.pairs >= LEAST_PAIRS and not all(result.is_held for result in results):
        sys.exit(1)


def _print(noted: Mapping[str, Any], results: Sequence[Result], file: Path | None) -> None:
    print_record(noted, as_json=False)
    print_records([line(result) for result in results], as_json=False)
    if file:
        document = {"run": noted, "results": [record(result) for result in results]}
        path = Path(os.environ.get("CALLER_DIR", "")) / file
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    apart = APART.get("".join(sys.argv[1:2]))
    if apart:
        apart.main(sys.argv[2:], prog_name=f"scripts/bench {sys.argv[1]}")
    main(prog_name="scripts/bench")
