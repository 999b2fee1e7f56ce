"""Text is read and written in an encoding that is named, never in the locale's."""

import ast

from tests.architecture.prose import nodes_of
from tests.architecture.source import source_files

OPENERS = frozenset({"open", "fdopen", "read_text", "write_text", "NamedTemporaryFile"})
# Where the word is a system call, an archive or a method of ours, without an encoding.
NO_FILES = frozenset({("os", "open"), ("clients", "open"), ("tarfile", "open")})
PROGRAMS = frozenset({"run", "Popen", "check_output"})


def test_every_file_and_program_is_read_in_an_encoding_that_is_named() -> None:
    offenders = [
        f"{file.path}:{call.lineno}"
        for file in source_files()
        if not file.path.startswith("tests/")
        for call in nodes_of(file.tree)
        if isinstance(call, ast.Call) and (_opens_text(call) or _reads_program(call))
    ]
    assert offenders == []


def test_the_rule_finds_what_it_forbids() -> None:
    lines = ("p.read_text()", "open(p)", "p.open('w')", "os.fdopen(d, 'w')", "run(c, text=True)")
    allowed = ("p.open('rb')", "os.open(p, 1)", "p.read_text(encoding='utf-8')", "run(c)")
    calls = [_call(line) for line in (*lines, *allowed)]
    found = [_opens_text(call) or _reads_program(call) for call in calls]
    assert found == [True] * len(lines) + [False] * len(allowed)


def _call(line: str) -> ast.Call:
    expression = ast.parse(line, mode="eval").body
    assert isinstance(expression, ast.Call)
    return expression


def _opens_text(call: ast.Call) -> bool:
    owner, name = _name(call)
    if name not in OPENERS or (owner, name) in NO_FILES or _has(call, "encoding"):
        return False
    return "b" not in _mode(call)


def _reads_program(call: ast.Call) -> bool:
    is_text = _has(call, "text") or _has(call, "universal_newlines")
    return _name(call)[1] in PROGRAMS and is_text and not _has(call, "encoding")


def _name(call: ast.Call) -> tuple[str, str]:
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        return (owner.id if isinstance(owner, ast.Name) else "", call.func.attr)
    return "", call.func.id if isinstance(call.func, ast.Name) else ""


def _has(call: ast.Call, name: str) -> bool:
    return any(keyword.arg == name for keyword in call.keywords)


def _mode(call: ast.Call) -> str:
    words = [each.value for each in call.args if isinstance(each, ast.Constant)]
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    words += [mode.value for mode in modes if isinstance(mode, ast.Constant)]
    return "".join(word for word in words if isinstance(word, str) and len(word) <= 3)
