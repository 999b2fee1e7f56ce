"""`flask turns import` reads its files: each line by itself, nothing guessed."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from app.cli.turn_files import MAX_LINE_BYTES, read_ndjson
from tests.callers import Caller
from tests.cli.imports import SHORT_HEAD, counts, csv_file, faults, ndjson, old, row, text_file


def test_an_open_quote_costs_its_own_line_and_no_other(
    import_: Callable[..., Result], tmp_path: Path
) -> None:
    file = text_file(
        tmp_path,
        "turns.csv",
        SHORT_HEAD,
        row("t1"),
        row('"t2'),
        row("t3"),
        row('"t"4'),
        row('"t5"'),
        row("t" * 131_073),
        row("t7"),
    )

    result = import_(file, "--json")

    assert result.exit_code == 1
    assert counts(result) == {"new": 4, "known": 0, "rejected": 3}
    assert [line.split(":")[0] for line in faults(result)] == ["line 3", "line 5", "line 7"]
    assert all("is not CSV: quotes do not match" in line for line in faults(result))


def test_lines_of_carriage_returns_are_one_line_and_named(
    import_: Callable[..., Result], caller: Caller, tmp_path: Path
) -> None:
    lines = (SHORT_HEAD, row("t1"), row("t2"))
    result = import_(text_file(tmp_path, "turns.csv", *lines, end=b"\r"))
    assert result.exit_code == 1
    assert "Error: line 1: is not CSV" in result.stderr
    assert "CR alone" in result.stderr

    bodies = [json.dumps(old(1)) for _ in range(2)]
    result = import_(text_file(tmp_path, "turns.ndjson", *bodies, end=b"\r"), "--json")
    assert faults(result) == ["line 1: is not valid JSON in UTF-8."]
    assert caller.rows_count() == 0


def test_lines_may_end_as_on_windows(import_: Callable[..., Result], tmp_path: Path) -> None:
    lines = (SHORT_HEAD, row("t1"), row("t2"))
    file = text_file(tmp_path, "turns.csv", *lines, end=b"\r\n")
    assert counts(import_(file, "--json")) == {"new": 2, "known": 0, "rejected": 0}


@pytest.mark.parametrize("name", ["turns.ndjson", "turns.csv"])
def test_a_line_that_is_too_long_is_rejected_and_the_next_ones_are_read(
    import_: Callable[..., Result], tmp_path: Path, name: str
) -> None:
    long = b"x" * (3 * MAX_LINE_BYTES)
    bodies = [json.dumps(old(1)) for _ in range(2)]
    head = [SHORT_HEAD] if name.endswith("csv") else []
    good = [row("t1"), row("t2")] if head else bodies
    file = text_file(tmp_path, name, *head, good[0], long, good[1], long)

    result = import_(file, "--json")

    assert counts(result) == {"new": 2, "known": 0, "rejected": 2}
    first = 2 + len(head)
    assert faults(result) == [f"line {n}: is longer than 1 MiB." for n in (first, first + 2)]


def test_a_long_line_is_never_held_whole(tmp_path: Path) -> None:
    file = text_file(tmp_path, "turns.ndjson", b"x" * (40 * MAX_LINE_BYTES), b"{}")
    read: list[int] = []

    tracemalloc.start()
    with file.open("rb") as stream:
        lines = list(read_ndjson(stream, read.append))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [(line.number, line.body) for line in lines] == [(1, None), (2, {})]
    assert peak < 8 * MAX_LINE_BYTES
    assert sum(read) == file.stat().st_size


def test_every_bad_line_says_what_it_is(import_: Callable[..., Result], tmp_path: Path) -> None:
    many = json.dumps({f"field_{n}": n for n in range(70)})
    odd = ["{no json", "[]", b'{"a": "\xff"}', many, '{"a": NaN}', '{"mode":1,"mode":2}']
    file = text_file(tmp_path, "turns.ndjson", *odd, '{"a":1}')
    assert [line.partition(": ")[2][:34] for line in faults(import_(file, "--json"))] == [
        "is not valid JSON in UTF-8.",
        "is not a JSON object.",
        "is not valid JSON in UTF-8.",
        "`line` may have at most 64 fields.",
        "contains NaN or Infinity, which JS",
        "`mode` may be given only once.",
        "`mode` is required. `personality_i",
    ]

    file = text_file(tmp_path, "turns.csv", SHORT_HEAD, "a,b,c", row("t", occurred_at="1 May"))
    first, second = faults(import_(file, "--json"))
    assert first == "line 2: has 3 cells, the first line names 6."
    assert "ISO-8601" in second
    assert "URL" not in second


@pytest.mark.parametrize("name", ["turns.ndjson", "turns.csv", "TURNS.CSV", "turns.JSONL"])
def test_a_mark_at_the_beginning_of_the_file_is_skipped_and_nowhere_else(
    import_: Callable[..., Result], tmp_path: Path, name: str
) -> None:
    mark = b"\xef\xbb\xbf"
    bodies = [json.dumps(old(1)).encode() for _ in range(2)]
    is_csv = name.lower().endswith("csv")
    turns = [row("t1").encode(), row("t2").encode()] if is_csv else bodies
    head = [mark + SHORT_HEAD.encode()] if is_csv else []
    first = turns[0] if is_csv else mark + turns[0]

    result = import_(text_file(tmp_path, name, *head, first, mark + turns[1]), "--json")

    assert counts(result) == {"new": 1, "known": 0, "rejected": 1}


def test_a_column_without_a_name_is_the_index_of_pandas(
    import_: Callable[..., Result], tmp_path: Path
) -> None:
    head = ["", *SHORT_HEAD.split(",")]
    result = import_(csv_file(tmp_path, ["0", *row("t").split(",")], head=head))
    assert result.exit_code == 1
    assert "line 1: a column has no name" in result.stderr
    assert "index=False" in result.stderr


@pytest.mark.parametrize(
    ("cell", "is_taken"),
    [
        *(("7", True), ("+7", True), ("007", True)),
        *(("7.0", True), ("7.", True), ("0.7e1", True), ("7.5", False), ("nan", True)),
        *((" 7 ", False), ("1_0", False), ("٧", False), ("0x7", False)),
        *(("9" * 5_000, False), ("-7", False), ("7\x00", False)),
    ],
)
def test_integers_are_digits(
    import_: Callable[..., Result], tmp_path: Path, cell: str, is_taken: bool
) -> None:
    head = [*SHORT_HEAD.split(","), "usage.turns_consumed"]
    result = import_(csv_file(tmp_path, [*row("t").split(","), cell], head=head), "--json")
    assert counts(result)["new"] == is_taken
    assert is_taken or "`usage.turns_consumed`" in result.stderr


@pytest.mark.parametrize(
    ("confidence", "consulted", "bad"),
    [
        ("0.5", "TRUE", None),
        (".5", "False", None),
        ("5e-1", "false", None),
        *((text, "true", None) for text in ("NaN", "nan")),
        *((text, "true", "confidence") for text in ("-nan", "inf", " 0.5", "0_1", "1e999", "٠")),
        ("1" * 50_000 + "x", "true", "confidence"),
        ("0.5", "yes", "consulted"),
        ("0.5", "1", "consulted"),
    ],
)
def test_numbers_and_booleans_are_what_they_are(
    import_: Callable[..., Result], tmp_path: Path, confidence: str, consulted: str, bad: str | None
) -> None:
    head = [*SHORT_HEAD.split(","), "inferred_emotional_state.primary"]
    head += ["inferred_emotional_state.confidence", "memory.consulted"]
    file = csv_file(tmp_path, [*row("t").split(","), "joy", confidence, consulted], head=head)

    result = import_(file, "--json")

    assert counts(result)["new"] == (bad is None)
    assert bad is None or bad in result.stderr


def test_the_first_line_names_every_column_once(
    import_: Callable[..., Result], caller: Caller, tmp_path: Path
) -> None:
    file = text_file(tmp_path, "turns.csv", f"{SHORT_HEAD},mode", f"{row('t')},stateless")
    result = import_(file)
    assert result.exit_code == 1
    assert "line 1: names `mode` more than once" in result.stderr
    file = text_file(tmp_path, "turns.csv", f'{SHORT_HEAD},"mode"', f"{row('t')},stateless")
    assert "line 1: names `mode` more than once" in import_(file).stderr
    assert caller.rows_count() == 0


def test_blank_lines_before_the_first_are_skipped(
    import_: Callable[..., Result], tmp_path: Path
) -> None:
    file = text_file(tmp_path, "turns.csv", "", " ", SHORT_HEAD, "", row("t1"), "a,b")
    result = import_(file, "--json")
    assert counts(result) == {"new": 1, "known": 0, "rejected": 1}
    assert faults(result) == ["line 6: has 2 cells, the first line names 6."]


def test_nothing_in_a_file_steers_the_terminal(
    import_: Callable[..., Result], tmp_path: Path
) -> None:
    evil = "\x1b]0;evil\x07\nline 99: fine\u202e" + "x" * 10_000
    shown = r"`\x1b]0;evil\x07\nline 99: fine\u202e"

    (line,) = faults(import_(ndjson(tmp_path, old(1, **{evil: 1})), "--json"))
    assert line.startswith(f"line 1: {shown}")
    assert len(line) < 300

    head = ",".join(f'"{evil[:20]}{n}"'.replace("\n", "\v") for n in range(100))
    (line,) = faults(import_(text_file(tmp_path, "turns.csv", head)))
    assert line.startswith(r"Error: line 1: no turn has a field `\x1b]0;evil\x07")
    assert "and 95 more" in line
    assert line.isprintable()
