"""The field's words in the whole tree, verbs first; docstrings of rooms neither missing nor long.

`python -m tests.architecture.words --list PATH` shows where a rule is broken; the words stand in
`vocabulary.py`.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.prose import Prose, prose_of
from tests.architecture.source import OWN, ROOT, source_files
from tests.architecture.vocabulary import MOST
from tests.architecture.words import (
    QUOTATIONS,
    Found,
    find_first_lines,
    find_names,
    find_phrases,
    find_texts,
    rates,
)

LEAST_LINES_OF_A_ROOM, MOST_LINES_OF_A_ROOM = 10, 70
ROOMS = sorted(path.parent.name for path in (ROOT / "app").glob("*/__init__.py"))
EVERYTHING = tuple(ROOT / name for name in OWN)


@cache
def _prose() -> tuple[Prose, ...]:
    return tuple(prose_of(EVERYTHING))


@cache
def _rates() -> dict[str, float]:
    return rates(list(_prose()))


@pytest.mark.parametrize("kind", MOST)
def test_words_that_are_not_the_fields_are_rare(kind: str) -> None:
    assert _rates()[kind] <= MOST[kind]


def test_no_docstring_and_no_comment_has_a_forbidden_phrase() -> None:
    assert _shown(find_phrases(_prose())) == []


def test_no_text_for_people_has_a_forbidden_word() -> None:
    assert _shown(find_texts(EVERYTHING)) == []


@pytest.mark.parametrize("path", QUOTATIONS)
def test_no_exempt_file_is_left_over(path: str) -> None:
    assert list(find_texts([ROOT / path])) == []
    assert list(find_texts([ROOT / path], exempt=())) != []


def test_no_name_has_a_forbidden_word() -> None:
    assert _shown(find_names(EVERYTHING)) == []


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    assert _shown(find_first_lines(EVERYTHING)) == []


@pytest.mark.parametrize("room", ROOMS)
def test_the_docstring_of_a_room_is_neither_missing_nor_long(room: str) -> None:
    (file,) = [each for each in source_files() if each.path == f"app/{room}/__init__.py"]
    docstring = ast.get_docstring(file.tree) or ""
    assert LEAST_LINES_OF_A_ROOM <= len(docstring.splitlines()) <= MOST_LINES_OF_A_ROOM


def _shown(found: Iterable[Found]) -> list[str]:
    return [
        f"{Path(each.prose.path).relative_to(ROOT)}:{each.prose.line}: {each.kind}: {each.words}"
        for each in found
    ]
