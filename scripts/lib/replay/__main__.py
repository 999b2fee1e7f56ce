"""Implement `scripts/replay`: send a trace's arrivals to a service and summarize the outcomes.

`trace.py` has the format, `turns.py` the generated fields, `sender.py` the sending.
"""

import sys
import time
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.http.instants import format_ms, parse_ms
from app.observability.terminal import shown
from config.variables import Variables
from scripts.lib.environment import DATA_DIR, begin, caller_path, data_dir
from scripts.lib.replay.client import Unreachable
from scripts.lib.replay.schedule import Shot, plan_shots
from scripts.lib.replay.sender import Replay
from scripts.lib.replay.summary import as_text, summarize
from scripts.lib.replay.target import NoTarget, Target, choose_target
from scripts.lib.replay.trace import Arrival, TraceError, read_trace
from scripts.lib.replay.turns import Recipe

OLDEST_S = 48 * 3_600
INTERRUPTED = 130
HELP = """Send the arrivals in FILE to a running Turnledger, at their recorded intervals but faster.

FILE is CSV: TIMESTAMP,ContextTokens,GeneratedTokens. Intervals and token counts come from the file.
Users, relationships, personalities, emotions and latencies are generated from --seed.

Every turn occurs at --start plus its distance from the first one, at any speed. By default the last
turn occurs now. Another start is another run. The same file, start and seed give the same turns.
Sent again they are duplicates, so an interrupted run can continue.

The service and its key are those of scripts/run, read from DATA_DIR, unless --base-url and --key
are given.
"""


class Start(click.ParamType[int]):
    """An instant, as milliseconds since 1970."""

    name = "INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the instant; a usage error for anything else."""
        try:
            return value if isinstance(value, int) else parse_ms(value)
        except (ValueError, OverflowError):
            return self.fail("write it like 2026-11-23T10:00:00.000Z", param, ctx)


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 1e9),
    default=60,
    show_default=True,
    help="Factor by which intervals are shortened.",
)
@click.option("--limit", type=click.IntRange(1), help="Send only the first N turns.")
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(1, 500),
    default=1,
    show_default=True,
    help="Turns per request; every 50 begun cost one token of the rate limit.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1_000),
    default=32,
    show_default=True,
    help="Maximum number of connections.",
)
@click.option(
    "--retry",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="Retries of a rate-limited request, after Retry-After.",
)
@click.option(
    "--plan", default="enterprise", show_default=True, help="Plan whose demo key is used."
)
@click.option("--base-url", help="Service to use in place of the local run.")
@click.option("--key", help="Key to use in place of the demo's; scope read_write.")
@click.option("--start", "start_ms", type=Start(), help="Instant of the first turn.")
@click.option("--seed", default=1, show_default=True, help="Seed of the generated fields.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def main(
    file: Path,
    *,
    start_ms: int | None,
    seed: int,
    plan: str,
    base_url: str | None,
    key: str | None,
    speed: float,
    limit: int | None,
    as_json: bool,
    **sending: int,
) -> None:
    """Run the command that `HELP` describes."""
    try:
        begin()
        target = choose_target(_data_dir(), plan, base_url, key)
        arrivals = read_trace(caller_path(file))[:limit]
        holder = target.holder()
    except (TraceError, NoTarget, Unreachable) as error:
        raise click.ClickException(shown(str(error), sys.stderr)) from None
    recipe = Recipe(file.stem, _start_ms(start_ms, arrivals), seed)
    _say(
        f"Replaying {len(arrivals):,} turns to {target.base_url} ({holder}).\n"
        f"The same turns again: --start {format_ms(recipe.start_ms)} --seed {seed}"
    )
    shots = plan_shots(arrivals, speed, sending["batch_size"])
    summary, replay = _run(shots, recipe, target, **sending)
    summary = {"file": file.name, "start": format_ms(recipe.start_ms)} | summary
    as_object = orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode()
    print(shown(as_object if as_json else as_text(summary), sys.stdout), flush=True)
    if replay.failure:
        raise click.ClickException(shown(f"The run ended early: {replay.failure}", sys.stderr))
    if replay.is_interrupted:
        sys.exit(INTERRUPTED)


def _start_ms(given_ms: int | None, arrivals: list[Arrival]) -> int:
    """Return the instant of the first turn; the service accepts none older than 48 hours."""
    now_ms = time.time_ns() // 1_000_000
    start_ms = now_ms - arrivals[-1].offset_us // 1_000 if given_ms is None else given_ms
    if now_ms - start_ms > OLDEST_S * 1_000:
        raise click.ClickException(
            f"the first turn would have occurred at {format_ms(start_ms)}, and the service "
            "accepts none older than 48 hours: give a later --start, or fewer turns by --limit"
        )
    return start_ms


def _run(
    shots: list[Shot],
    recipe: Recipe,
    target: Target,
    *,
    batch_size: int,
    concurrency: int,
    retry: int,
) -> tuple[dict[str, Any], Replay]:
    with _progress() as progress:
        task = progress.add_task("sending", total=sum(len(shot.arrivals) for shot in shots))
        replay = Replay(
            shots,
            recipe,
            target.client,
            is_batched=batch_size > 1,
            most_retries=retry,
            on_sent=lambda turns_count: progress.advance(task, turns_count),
        )
        tally, duration_s = replay.send(min(concurrency, len(shots)))
    return summarize(tally, duration_s, shots[-1].due_s), replay


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _data_dir() -> Path:
    variables = Variables()
    folder = data_dir(variables)
    if variables.problems:
        raise NoTarget(f"{DATA_DIR} {variables.problems[DATA_DIR]}")
    return folder


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(prog_name="scripts/replay")
