"""Collect the results of a growth run: figures and pairs for the eyes, and all of it as JSON."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import orjson

from app.cli.output import print_record, print_records
from bench.pairs import Result
from bench.stage import Stage, notes
from bench.table import line, record


@dataclass(slots=True)
class Report:
    """Collects results; `figures` are tables that no ratio says."""

    noted: dict[str, Any]
    figures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    @classmethod
    def of(cls, stage: Stage, **sizes: Any) -> "Report":
        """Return a report that begins with versions, the machine and its load."""
        return cls({**sizes, **notes(stage)})

    def take(self, title: str, found: Iterable[Result | list[dict[str, Any]]]) -> None:
        """Keep results as they come, and the table among them under `title`."""
        for each in found:
            if isinstance(each, Result):
                self.add(each)
            else:
                self.show(title, each)

    def add(self, result: Result) -> None:
        """Keep a result, and print it for people who wait."""
        click.echo(f"  {result.case} beside {result.peer}: {result.ratio:.2f}", err=True)
        self.results.append(result)

    def show(self, title: str, rows: Sequence[dict[str, Any]]) -> None:
        """Keep a table."""
        click.echo(f"  {title}: done", err=True)
        self.figures[title] = list(rows)

    def print(self, file: Path | None) -> None:
        """Print all tables, and write JSON to `file` if there is one."""
        print_record(self.noted, as_json=False)
        for title, rows in self.figures.items():
            click.echo(f"{title}:")
            if len(rows) == 1:
                print_record(rows[0], as_json=False)
            else:
                print_records(rows, as_json=False)
        if self.results:
            print_records([_short(result) for result in self.results], as_json=False)
        if file:
            document = {
                "run": self.noted,
                "figures": self.figures,
                "results": [record(result) for result in self.results],
            }
            path = Path(os.environ.get("CALLER_DIR", "")) / file
            path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _short(result: Result) -> dict[str, Any]:
    """Return a line without floors."""
    left_out = {"floor", "goal", "verdict"}
    return {name: value for name, value in line(result).items() if name not in left_out}
