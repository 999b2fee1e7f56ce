"""The counter of words finds what it is to find, and nothing else."""

from pathlib import Path

import pytest

from tests.architecture.prose import Prose, count_words, lua_prose, python_prose
from tests.architecture.vocabulary import is_verb_first
from tests.architecture.words import find, find_first_lines, find_names, find_phrases, rates

FILE = '''"""The room of examples.

Whether it holds is seen below.
"""

# One comment,
# two lines.
FIRST = "told # no comment"


def record(told):
    """What was told."""
    # Another.
    _log.info("turns_folded")


@property
def size(self):
    """The size."""
'''


def _prose(text: str) -> list[Prose]:
    return [Prose("a.py", 1, text)]


def _kinds(text: str) -> list[str]:
    return [found.kind for found in find(_prose(text))]


def test_docstrings_and_blocks_of_comments_are_prose_and_strings_are_not() -> None:
    texts = {prose.line: prose.text for prose in python_prose("a.py", FILE)}
    assert texts == {
        1: "The room of examples. Whether it holds is seen below.",
        6: "One comment, two lines.",
        12: "What was told.",
        13: "Another.",
        19: "The size.",
    }


def test_comments_of_lua_are_prose() -> None:
    script = "-- Charges: one,\n-- or two.\nlocal a = 1 -- a number\n\nreturn a\n"
    texts = [(prose.line, prose.text) for prose in lua_prose("a.lua", script)]
    assert texts == [(1, "Charges: one, or two. a number")]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Return what the caller was told.", ["tell/told"]),
        ("What a turn costs. Who pays is open.", ["opening What/Who/Whether"] * 2 + ["bare who"]),
        ("Return True if it holds; whether it does is open.", []),
        ("A bucket for who comes late; whoever waits pays.", ["bare who", "bare who"]),
        ("Clients who retry, and the worker who archives.", []),
        ("It was written as he wished.", ["bare who"]),
        ("While Redis is ill; once it is well again.", ["illness", "illness"]),
        ("As well as the remedy.", ["illness"]),
        ("The skill of filling wells until all is still.", []),
    ],
)
def test_each_kind_of_word_is_found(text: str, kinds: list[str]) -> None:
    assert sorted(_kinds(text)) == sorted(kinds)


def test_rates_are_for_a_thousand_words() -> None:
    prose = _prose("told " + "word " * 249)
    assert count_words(prose) == 250
    assert rates(prose) == {
        "tell/told": 4.0,
        "opening What/Who/Whether": 0.0,
        "bare who": 0.0,
        "illness": 0.0,
    }


@pytest.mark.parametrize("text", ["an offence", "it answers AGAIN", "has lapsed", "brought in"])
def test_forbidden_phrases_are_found(text: str) -> None:
    assert len(list(find_phrases(_prose(text)))) == 1


def test_phrases_of_the_field_are_not() -> None:
    assert (
        list(find_phrases(_prose("tried again; stopwalkers; a crossfold; it may bring inputs")))
        == []
    )


def test_names_are_found_where_they_are_defined(tmp_path: Path) -> None:
    file = tmp_path / "walks.py"
    file.write_text(FILE + "\nast.walk(tree)\n", encoding="utf-8")
    found = {each.prose.text for each in find_names([file])}
    assert found == {"walks", "told", "turns_folded"}


def test_locals_of_lua_are_names(tmp_path: Path) -> None:
    file = tmp_path / "charges.lua"
    script = "local lapses, left = 1, 2\nlocal function remember(turn) return told end\n"
    file.write_text(script, encoding="utf-8")
    assert [each.prose.line for each in find_names([file])] == [1, 2]


def test_functions_begin_with_a_verb_and_properties_need_not(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(FILE, encoding="utf-8")
    assert [each.words for each in find_first_lines([file])] == ["What was told."]


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("Return the turns.", True),
        ("Re-read the file.", True),
        ("Pass the token on.", True),
        ("Process it.", True),
        ("Number the turns.", True),
        ("Check that it holds.", True),
        ("Record that it ended.", True),
        ("Log that it ended, and why.", True),
        ("Number of turns.", False),
        ("Record of a turn.", False),
        ("Log of the worker.", False),
        ("Record which turns expire.", False),
        ("Turn that expires.", False),
        ("Returns the turns.", False),
        ("The turns.", False),
        ("Whether it holds.", False),
        ("Recorded turns.", False),
        ("`turns` of the account.", False),
        ("200 with the item.", False),
        ("Keys of an account.", False),
    ],
)
def test_a_verb_in_its_bare_form_comes_first(line: str, is_one: bool) -> None:
    assert is_verb_first(line) is is_one
