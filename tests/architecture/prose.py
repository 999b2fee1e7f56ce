"""Docstrings and comments of the project's own files, as text."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_LUA_COMMENT = re.compile(r"--\s?(.*)$")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Prose:
    """A docstring, or neighbouring lines of comment, as one line of text."""

    path: str
    line: int
    text: str


def prose_of(paths: Iterable[Path]) -> list[Prose]:
    """Return the docstrings and comments of Python and Lua files; folders are searched."""
    files = files_of(paths)
    return [prose for file in files for prose in _prose_of(file)]


def count_words(prose: Iterable[Prose]) -> int:
    """Return the number of words."""
    return sum(len(_WORD.findall(each.text)) for each in prose)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the Python and Lua files among `paths` and in folders of them."""
    found = {file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])}
    return sorted(file for file in found if file.suffix in (".py", ".lua"))


def python_prose(path: str, text: str) -> Iterator[Prose]:
    """Return the docstrings and comments of a Python file."""
    for node in nodes_of(parsed(text)):
        if isinstance(node, _DOCUMENTED):
            docstring = ast.get_docstring(node)
            if docstring:
                yield Prose(path, node.body[0].lineno, " ".join(docstring.split()))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [(each.start[0], each.string) for each in tokens if each.type == tokenize.COMMENT]
    yield from _blocks(path, [(line, comment.lstrip("#! ")) for line, comment in comments])


@cache
def parsed(text: str) -> ast.Module:
    """Return the syntax tree of a file's text; several rules ask for the same."""
    return ast.parse(text)


@cache
def nodes_of(tree: ast.Module) -> tuple[Any, ...]:
    """Return all nodes of a tree; to find them takes as long as to parse it."""
    return tuple(ast.walk(tree))


def texts_of(path: str, text: str) -> Iterator[Prose]:
    """Return the strings of a Python file that are texts for people: with a space in them."""
    nodes = nodes_of(parsed(text))
    documented = (node for node in nodes if isinstance(node, _DOCUMENTED))
    docstrings = {id(node.body[0].value) for node in documented if ast.get_docstring(node)}
    for node in nodes:
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings and " " in node.value.strip():
            yield Prose(path, node.lineno, " ".join(node.value.split()))


def lua_prose(path: str, text: str) -> Iterator[Prose]:
    """Return the comments of a Lua file."""
    found = [(number, _LUA_COMMENT.search(line)) for number, line in enumerate(text.split("\n"), 1)]
    yield from _blocks(path, [(number, each[1]) for number, each in found if each])


def _blocks(path: str, comments: list[tuple[int, str]]) -> Iterator[Prose]:
    """Join comments on neighbouring lines."""
    numbered = enumerate(comments)
    for _, block in groupby(numbered, key=lambda each: each[1][0] - each[0]):
        lines = [comment for _, comment in block]
        yield Prose(path, lines[0][0], " ".join(text for _, text in lines).strip())


def _prose_of(file: Path) -> Iterator[Prose]:
    text = file.read_text(encoding="utf-8")
    return python_prose(str(file), text) if file.suffix == ".py" else lua_prose(str(file), text)
