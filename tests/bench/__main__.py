"""`scripts/bench`: runs cases beside their peers and says which floors held."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from app.cli.output import print_record, print_records
from tests.bench import aggregates, folding
from tests.bench.pairs import Result
from tests.bench.stage import Stage, notes, standing
from tests.bench.table import line, record

Case = Callable[[Stage, int, int], Iterator[Result]]
CASES: Mapping[str, Case] = {"aggregates": aggregates.run, "folding": folding.run}
LEAST_PAIRS = 5
HELP = """Run each CASE (all by default) and its peers alternately on real servers of its own.

Cases: {cases}. Told is the median of the ratios within pairs and their spread. Exit status 1 if a
floor does not hold.
""".format(cases=", ".join(CASES))


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("cases", metavar="[CASE ...]", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--pairs", type=click.IntRange(LEAST_PAIRS), default=5, show_default=True)
@click.option("--turns", type=click.IntRange(180), default=1_000_000, show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write every pair here, too.")
def main(cases: tuple[str, ...], *, pairs: int, turns: int, file: Path | None) -> None:
    """What the command does; `HELP` tells it."""
    results: list[Result] = []
    with standing() as stage:
        noted: dict[str, Any] = {"turns": turns, "pairs": pairs, **notes(stage)}
        for name in cases or tuple(CASES):
            click.echo(f"· {name}: loading {turns:,} turns, then {pairs} pairs", err=True)
            results += CASES[name](stage, turns, pairs)
    print_record(noted, as_json=False)
    print_records([line(result) for result in results], as_json=False)
    if file:
        told = {"run": noted, "results": [record(result) for result in results]}
        path = Path(os.environ.get("CALLER_DIR", "")) / file
        path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    if not all(result.is_held for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="scripts/bench")
