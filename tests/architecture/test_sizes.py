"""Nothing grows past what a reader holds in mind."""

from statistics import median

import pytest

from tests.architecture.source import Function, client_files, source_files

MOST_LINES_OF_A_FILE = 350
MOST_LINES_OF_A_FUNCTION = 50
MEDIAN_LINES_OF_A_FUNCTION = 10
ALL_FILES = (*source_files(), *client_files())


def test_no_file_is_long() -> None:
    long = [file.path for file in ALL_FILES if file.lines_count > MOST_LINES_OF_A_FILE]
    assert long == []


def test_no_function_is_long() -> None:
    long = [
        f"{file.path}:{function.name}"
        for file in ALL_FILES
        for function in file.functions()
        if _lines_count(function) > MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("folder", ["app/", "clients/python/src/"])
def test_the_usual_function_is_short(folder: str) -> None:
    counts = [
        _lines_count(function)
        for file in ALL_FILES
        if file.path.startswith(folder)
        for function in file.functions()
    ]
    assert median(counts) <= MEDIAN_LINES_OF_A_FUNCTION


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "helpers.py", "misc.py", "common.py"}
    assert [file.path for file in ALL_FILES if file.path.split("/")[-1] in drawers] == []


def _lines_count(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1
