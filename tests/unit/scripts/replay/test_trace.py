"""Reading a trace: what is taken, and how a bad line is told."""

from pathlib import Path

import pytest

from scripts.lib.replay.trace import EXAMPLE, HEADER, Arrival, TraceError, read_trace


def trace(folder: Path, *lines: str, end: str = "\n") -> Path:
    path = folder / "trace.csv"
    path.write_bytes("".join(line + end for line in (HEADER, *lines)).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_arrivals_are_told_by_line_distance_and_tokens(tmp_path: Path, end: str) -> None:
    path = trace(
        tmp_path,
        "2023-11-16 23:59:59.9000000,374,44",
        "2023-11-17 00:00:00.1000009,396,109",
        end=end,
    )

    assert read_trace(path) == [Arrival(2, 0, 374, 44), Arrival(3, 200_000, 396, 109)]


@pytest.mark.parametrize(
    ("instant", "offset_us"),
    [
        ("2023-11-16 18:00:01", 1_000_000),
        ("2023-11-16 18:00:00.5", 500_000),
        ("2023-11-16 18:00:00.0000019", 1),
        ("2023-11-16 18:00:00.000002999", 2),
        ("2023-11-16 18:00:00.009930+00:00", 9_930),
        ("2023-11-16 18:00:00", 0),
    ],
)
def test_fractions_of_any_length_count_down_to_the_microsecond(
    tmp_path: Path, instant: str, offset_us: int
) -> None:
    path = trace(tmp_path, "2023-11-16 18:00:00.0000000,1,1", f"{instant},2,2")

    assert read_trace(path)[1].offset_us == offset_us


def test_empty_lines_are_passed_over_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    path = trace(tmp_path, "", EXAMPLE, "", "")

    assert [arrival.line for arrival in read_trace(path)] == [3]


@pytest.mark.parametrize(
    "line",
    [
        "2023-11-16 18:15:46.6805900,374",
        "2023-11-16 18:15:46.6805900,374,44,1",
        "2023-11-16 18:15:46.6805900,-1,44",
        "2023-11-16 18:15:46.6805900,3.5,44",
        "2023-11-16 18:15:46.6805900,999999999,44",
        "2023-11-31 18:15:46.6805900,374,44",
        "2023-11-16 25:15:46.6805900,374,44",
        "2023-11-16 18:15:46+01:00,374,44",
        "hello",
    ],
)
def test_a_bad_line_is_named_with_a_good_one(tmp_path: Path, line: str) -> None:
    path = trace(tmp_path, EXAMPLE, line)

    with pytest.raises(TraceError, match="line 3 is no arrival") as caught:
        read_trace(path)
    assert EXAMPLE in str(caught.value)


def test_a_step_back_in_time_is_named_with_its_remedy(tmp_path: Path) -> None:
    path = trace(tmp_path, "2023-11-16 18:00:01.0,1,1", "2023-11-16 18:00:00.9,1,1")

    with pytest.raises(TraceError, match=r"line 3 is earlier .*: sort the file"):
        read_trace(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1 must be the header"),
        (EXAMPLE.encode(), "line 1 must be the header"),
        (HEADER.encode(), "holds no arrival"),
        (b"\xff\xfe", "not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(content)

    with pytest.raises(TraceError, match=message):
        read_trace(path)


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "nothing.csv"

    with pytest.raises(TraceError, match=r"nothing\.csv: No such file or directory"):
        read_trace(path)
