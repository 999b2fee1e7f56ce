"""Nothing grows past what a reader holds in mind."""

from statistics import median

from tests.architecture.source import Function, source_files

MOST_LINES_OF_A_FILE = 350
MOST_LINES_OF_A_FUNCTION = 50
MEDIAN_LINES_OF_A_FUNCTION = 10


def test_no_file_is_long() -> None:
    long = [file.path for file in source_files() if file.lines_count > MOST_LINES_OF_A_FILE]
    assert long == []


def test_no_function_is_long() -> None:
    long = [
        f"{file.path}:{function.name}"
        for file in source_files()
        for function in file.functions()
        if _lines_count(function) > MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_the_usual_function_is_short() -> None:
    counts = [
        _lines_count(function)
        for file in source_files()
        if file.path.startswith("app/")
        for function in file.functions()
    ]
    assert median(counts) <= MEDIAN_LINES_OF_A_FUNCTION


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "helpers.py", "misc.py", "common.py"}
    assert [file.path for file in source_files() if file.path.split("/")[-1] in drawers] == []


def _lines_count(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1
