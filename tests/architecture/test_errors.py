"""Rooms raise errors of their subject; one map and one renderer turn them into HTTP."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

from app.http.problems import CODES
from tests.architecture.prose import nodes_of
from tests.architecture.source import SourceFile, source_files

# 500 is left out: it is also a count of elements.
STATUSES = {kind.status for kind in CODES.values()} - {500}
HEADERS = {"WWW-Authenticate", "Retry-After"}
# Files that may know statuses and headers of errors, each with its reason.
HTTP_FILES = {
    "app/http/*": "renders errors",
    "app/error_answers.py": "maps errors to answers",
    "app/access.py": "charges requests that it refused, by the status of the answer",
    "app/policies.py": "chooses the headers of an answer by its status",
    "app/console/*": "shows errors and refused forms as pages",
    "app/reference/headers.py": "describes the headers of an answer by its status",
    "app/reference/operations.py": "describes the statuses of each operation",
    "app/observability/health.py": "its probes answer by status",
    "app/serving/adapter.py": "answers requests that never reach the application",
}
PROBLEM_FILES = {
    "app/http/problems.py",
    "app/http/errors.py",
    "app/error_answers.py",
    "app/console/error_answers.py",
}


def app_files() -> list[SourceFile]:
    return [file for file in source_files() if file.path.startswith("app/")]


def test_only_the_map_and_the_renderer_make_answers() -> None:
    makers = {file.path for file in app_files() if any(_made_problems(file))}
    assert makers - PROBLEM_FILES == set()


def test_nothing_raises_an_answer() -> None:
    raising = {file.path for file in app_files() for node in _raises(file) if _names_problem(node)}
    assert raising == set()


def test_no_room_knows_a_status_or_a_header_of_errors() -> None:
    found = [
        f"{file.path}:{node.lineno}: {node.value}"
        for file in app_files()
        if not any(fnmatch(file.path, pattern) for pattern in HTTP_FILES)
        for node in nodes_of(file.tree)
        if isinstance(node, ast.Constant) and _is_of_http(node.value)
    ]
    assert found == []


@pytest.mark.parametrize("pattern", HTTP_FILES)
def test_no_reason_to_know_them_is_left_over(pattern: str) -> None:
    files = [file for file in app_files() if fnmatch(file.path, pattern)]
    nodes = [node for file in files for node in nodes_of(file.tree)]
    assert any(isinstance(node, ast.Constant) and _is_of_http(node.value) for node in nodes)


def test_no_code_of_an_error_is_compared_with_text() -> None:
    found = [
        f"{file.path}:{node.lineno}"
        for file in app_files()
        for node in nodes_of(file.tree)
        if isinstance(node, ast.Compare) and _compares_code(node)
    ]
    assert found == []


def test_errors_of_a_room_know_no_code_of_an_answer() -> None:
    found = [
        f"{file.path}:{node.lineno}: {node.value}"
        for file in app_files()
        if file.path.endswith(("/errors.py", "/request_errors.py", "/faults.py"))
        and file.path != "app/http/errors.py"
        for node in nodes_of(file.tree)
        if isinstance(node, ast.Constant) and node.value in CODES
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("error.code == 'conflict'", True),
        ("'conflict' != error.code", True),
        ("error.code in ('conflict', 'not_found')", True),
        ("error.code == 11000", False),
        ("error.code in AUTHENTICATION_CODES", False),
        ("unit == 'day'", False),
    ],
)
def test_the_rule_of_codes_finds_what_it_forbids(line: str, is_found: bool) -> None:
    node = ast.parse(line, mode="eval").body
    assert isinstance(node, ast.Compare)
    assert _compares_code(node) is is_found


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("raise Problem('conflict', 'No.')", True),
        ("raise Problem.unavailable() from None", True),
        ("raise problems.Problem('conflict', 'No.')", True),
        ("raise KeyExpired", False),
        ("raise", False),
    ],
)
def test_the_rule_of_raising_finds_what_it_forbids(line: str, is_found: bool) -> None:
    (node,) = ast.parse(line).body
    assert isinstance(node, ast.Raise)
    assert _names_problem(node) is is_found


def _made_problems(file: SourceFile) -> Iterator[ast.Call]:
    for node in nodes_of(file.tree):
        if isinstance(node, ast.Call) and _names_problem(node.func):
            yield node


def _raises(file: SourceFile) -> Iterator[ast.Raise]:
    return (node for node in nodes_of(file.tree) if isinstance(node, ast.Raise))


def _names_problem(node: ast.AST) -> bool:
    """Return True if `node` names the class itself, not what is made of it."""
    return any(
        (isinstance(each, ast.Name) and each.id == "Problem")
        or (isinstance(each, ast.Attribute) and each.attr == "Problem")
        for each in ast.walk(node)
    )


def _is_of_http(value: object) -> bool:
    return (type(value) is int and value in STATUSES) or (
        isinstance(value, str) and value in HEADERS
    )


def _compares_code(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    has_code = any(isinstance(side, ast.Attribute) and side.attr == "code" for side in sides)
    texts = [each for side in sides for each in ast.walk(side) if isinstance(each, ast.Constant)]
    return has_code and any(isinstance(text.value, str) for text in texts)
