"""The project's own Python files, parsed."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.architecture.prose import files_of, nodes_of, parsed

ROOT = Path(__file__).resolve().parents[2]
OWN = ("app", "bench", "config", "deploy", "devkit", "scripts", "tests", "wsgi.py")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file, its path as the project says it: `app/http/body.py`."""

    path: str
    lines_count: int
    tree: ast.Module

    def functions(self) -> Iterator[Function]:
        return (node for node in nodes_of(self.tree) if isinstance(node, Function))


@cache
def source_files() -> tuple[SourceFile, ...]:
    return _parsed_files(OWN)


@cache
def client_files() -> tuple[SourceFile, ...]:
    """Return the files of the package for producers, which imports relatively."""
    return _parsed_files(("clients/python/src", "clients/python/tests"))


def imported_modules(node: ast.AST) -> Iterator[str]:
    """Return the dotted names of all modules that are imported anywhere below `node`."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, f"relative import of {inner.module}"
            yield inner.module or ""


def _parsed_files(names: Iterable[str]) -> tuple[SourceFile, ...]:
    files = files_of(ROOT / name for name in names)
    return tuple(_parse(path) for path in files if path.suffix == ".py")


def _parse(path: Path) -> SourceFile:
    text = path.read_text(encoding="utf-8")
    return SourceFile(str(path.relative_to(ROOT)), len(text.splitlines()), parsed(text))
