"""The project's own Python files, parsed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("app", "bench", "config", "devkit", "scripts", "tests")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file, its path as the project says it: `app/http/body.py`."""

    path: str
    lines_count: int
    tree: ast.Module

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


@cache
def source_files() -> tuple[SourceFile, ...]:
    paths = [ROOT / "wsgi.py", *(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))]
    return tuple(_parse(path) for path in sorted(paths))


def imported_modules(node: ast.AST) -> Iterator[str]:
    """Return the dotted names of all modules that are imported anywhere below `node`."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, f"relative import of {inner.module}"
            yield inner.module or ""


def _parse(path: Path) -> SourceFile:
    text = path.read_text()
    return SourceFile(str(path.relative_to(ROOT)), len(text.splitlines()), ast.parse(text))
