"""Count words that are not the field's: `python -m tests.architecture.words [--list] [PATH…]`.

Prints how many of each kind of word there are in 1,000 words of docstrings and comments, then the
phrases, names and first lines that the rules forbid; `--list` shows each. `vocabulary.py` holds the
words and the limits, `test_words.py` the test.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.prose import (
    Prose,
    count_words,
    files_of,
    nodes_of,
    parsed,
    prose_of,
    texts_of,
)
from tests.architecture.source import OWN, ROOT
from tests.architecture.vocabulary import KINDS, MOST, NAMES, PHRASES, is_verb_first

# Files whose texts quote forbidden words, each with the reason. Their docstrings are not exempt.
QUOTATIONS = {
    "tests/architecture/vocabulary.py": "lists the forbidden words",
    "tests/architecture/test_vocabulary.py": "gives examples of them to the counter",
}
# Names keep what they are called: in backticks, and as a part of a Redis key.
_CODE = re.compile(r"`[^`]*`")
_PHRASES = {
    re.compile(rf"(?<![\w:])(?:{words})(?!\w)"): instead for words, instead in PHRASES.items()
}
_NAMES = {word: instead for words, instead in NAMES.items() for word in words.split("|")}
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LOCALS = re.compile(r"\blocal\s+(?:function\s+)?(\w+(?:\s*,\s*\w+)*)")
_LOGGING = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_METRICS = frozenset({"Counter", "Gauge", "Histogram", "GaugeMetricFamily"})


@dataclass(frozen=True, slots=True)
class Found:
    """One use of a word that is not the field's."""

    kind: str
    prose: Prose
    words: str


def find(prose: Iterable[Prose]) -> Iterator[Found]:
    """Return each use of each kind."""
    for each in prose:
        for kind, pattern in KINDS.items():
            for found in pattern.finditer(each.text):
                yield Found(kind, each, each.text[max(0, found.start() - 30) : found.end() + 40])


def find_phrases(prose: Iterable[Prose]) -> Iterator[Found]:
    """Return each word of `PHRASES`, with the field's word."""
    for each in prose:
        text = _CODE.sub("…", each.text)
        for pattern, instead in _PHRASES.items():
            for found in pattern.finditer(text):
                around = text[max(0, found.start() - 30) : found.end() + 40]
                yield Found(f"{found[0]} → {instead}", each, around)


def find_texts(paths: Iterable[Path], *, exempt: Iterable[str] = QUOTATIONS) -> Iterator[Found]:
    """Return each word of every kind in the texts for people: errors, help, output."""
    exempt_files = {(ROOT / name).resolve() for name in exempt}
    for file in files_of(paths):
        if file.suffix == ".py" and file.resolve() not in exempt_files:
            texts = list(texts_of(str(file), file.read_text(encoding="utf-8")))
            yield from find(texts)
            yield from find_phrases(texts)


def find_names(paths: Iterable[Path]) -> Iterator[Found]:
    """Return each name that holds a word of `NAMES`: of files and of what they define."""
    for file in files_of(paths):
        names = [(1, part) for part in (file.stem, *file.parent.parts)]
        text = file.read_text(encoding="utf-8")
        names += _defined(parsed(text)) if file.suffix == ".py" else _defined_in_lua(text)
        for line, name in dict.fromkeys(names):
            for word in _PART.findall(name):
                if word.lower() in _NAMES:
                    kind = f"{word.lower()} → {_NAMES[word.lower()]}"
                    yield Found(kind, Prose(str(file), line, name), name)


def find_first_lines(paths: Iterable[Path]) -> Iterator[Found]:
    """Return the docstrings of functions that do not begin with a verb."""
    for file in files_of(paths):
        if file.suffix != ".py":
            continue
        for node in nodes_of(parsed(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_value(node):
                docstring = ast.get_docstring(node)
                if docstring and not is_verb_first(docstring):
                    prose = Prose(str(file), node.lineno, docstring)
                    yield Found("no verb first", prose, docstring.partition("\n")[0])


def rates(prose: list[Prose]) -> dict[str, float]:
    """Return the number of uses of each kind in 1,000 words."""
    words_count = count_words(prose)
    found = [each.kind for each in find(prose)]
    return {kind: found.count(kind) * 1_000 / max(words_count, 1) for kind in KINDS}


def _defined(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Return the names that a file defines, its log events and its metrics."""
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.Call) and _names_something(node):
            yield from ((node.lineno, text) for text in _first_text(node))


def _defined_in_lua(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        for names in _LOCALS.findall(line):
            yield from ((number, name.strip()) for name in names.split(","))


def _names_something(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in _LOGGING
    return isinstance(call.func, ast.Name) and call.func.id in _METRICS


def _first_text(call: ast.Call) -> Iterator[str]:
    for argument in call.args[:1]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def _is_value(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return True for properties, which are named and described as values, and for fixtures."""
    return any(
        "property" in (text := ast.unparse(each)) or "fixture" in text
        for each in function.decorator_list
    )


def main() -> None:
    """Print the counts of the paths in the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[Path(name) for name in OWN])
    parser.add_argument("--list", action="store_true", help="show each use")
    asked = parser.parse_args()
    prose = prose_of(asked.paths)
    found = list(find(prose))
    lines = [f"{count_words(prose):,} words of docstrings and comments"]
    for kind, rate in rates(prose).items():
        count = sum(each.kind == kind for each in found)
        lines.append(f"{kind:26} {count:5} {rate:6.2f} per 1,000 (at most {MOST[kind]})")
    others = {
        "texts": list(find_texts(asked.paths)),
        "phrases": list(find_phrases(prose)),
        "names": list(find_names(asked.paths)),
        "first lines": list(find_first_lines(asked.paths)),
    }
    lines += [f"{kind:26} {len(each):5} (at most 0)" for kind, each in others.items()]
    if asked.list:
        found += [each for several in others.values() for each in several]
        lines += [f"{e.prose.path}:{e.prose.line}: {e.kind}: …{e.words}…" for e in found]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
