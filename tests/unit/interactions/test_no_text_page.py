"""`docs/no-text.md` lists the strings of a turn: its numbers are those of the schema."""

import re
from collections.abc import Iterator

from marshmallow import Schema, fields

from app.http.fields import ListOf, Part, Token
from app.http.rules import ULID_PATTERN
from app.interactions.id_characters import ID_FIELDS, MAX_ID_CHARACTERS
from app.interactions.schemas import TurnSchema
from app.interactions.validator import bson_schema
from app.observability import answers
from app.tenancy import key_rules
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "no-text.md").read_text("utf-8")
# Allowed characters, the most of them, and the most elements of a list.
Bound = tuple[str, int, int]
_CELL = r" ((?:[^|\\]|\\.)+) "


def strings(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Token, int]]:
    """Yield every field whose text a producer chooses, and the number of its values."""
    for name, field in schema.fields.items():
        if isinstance(field, Part):
            yield from strings(field.schema, f"{prefix}{name}.")
        elif isinstance(field, Token):
            yield prefix + name, field, 1
        elif isinstance(field, ListOf):
            yield prefix + name, token_in(field), field.validators[0].max  # type: ignore[attr-defined]


def token_in(field: ListOf) -> Token:
    inner: fields.Field[object] = field.inner
    assert isinstance(inner, Token)
    return inner


def bound(pattern: str, count: int = 1) -> Bound:
    """Describe an anchored pattern as the page does."""
    found = re.fullmatch(r"\^?(\[[^]]+\])?\[([^]]+)\]\{[01],(\d+)\}\$?", pattern)
    assert found is not None, pattern
    first = {None: "", "[a-z]": ", a letter first"}.get(found[1], ", a letter or digit first")
    return f"`{found[2]}`{first}", bool(found[1]) + int(found[3]), count


SCHEMA = {
    name: bound(field.validators[0].regex.pattern, count)  # type: ignore[attr-defined]
    for name, field, count in strings(TurnSchema())
}


def table(heading: str) -> dict[str, Bound]:
    """Read the bounds in the table below a heading."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = {}
    for name, characters, most in re.findall(rf"^\|{_CELL}\|{_CELL}\|{_CELL}", text, re.MULTILINE):
        if length := re.match(r"(?:(\d+) of )?(\d+)", most):
            count = int(length[1] or 1)
            found[name.strip("`")] = (characters.replace("\\|", "|"), int(length[2]), count)
    return found


def test_the_table_has_every_string_of_a_turn_and_its_bound() -> None:
    assert len(SCHEMA) == 12
    assert table("The strings of a turn") == SCHEMA


def test_the_ids_are_the_first_fields_of_the_table_and_have_a_bound_together() -> None:
    named = tuple(table("The strings of a turn"))

    assert named[: len(ID_FIELDS)] == ID_FIELDS
    assert "The first seven may have **600\ncharacters together**" in PAGE
    assert (len(ID_FIELDS), MAX_ID_CHARACTERS) == (7, 600)
    # Without the bound they could have more.
    assert sum(SCHEMA[name][1] for name in ID_FIELDS) > MAX_ID_CHARACTERS


def test_the_page_says_how_many_characters_a_turn_carries_at_most() -> None:
    rest = {
        name: most * count
        for name, (_, most, count) in SCHEMA.items()
        if name not in {*ID_FIELDS, "turn_id"}
    }
    emotions = sum(most for name, most in rest.items() if name.startswith("inferred"))
    guardrails = rest["guardrails.applied"]
    assert emotions + guardrails == sum(rest.values())

    total = MAX_ID_CHARACTERS + emotions + guardrails
    assert f"carries at most **{total:,}** characters" in PAGE
    assert f"{MAX_ID_CHARACTERS} in ids,\n{emotions} in emotions, {guardrails} in guardr" in PAGE


def test_the_strings_beside_turns_have_the_bounds_of_the_page() -> None:
    named = table("Beside turns")

    key_id = bson_schema()["properties"]["key_id"]
    assert {"bsonType": "string", "pattern": rf"^key_{ULID_PATTERN}\z"} in key_id["oneOf"]
    assert ULID_PATTERN == "[0-7][0-9A-HJKMNP-TV-Z]{25}"
    of_key = "`key_` and 26 of `0-9A-HJKMNP-TV-Z`"
    assert named["id of the API key that recorded a turn"] == (of_key, len("key_") + 26, 1)
    assert named["label of an API key"] == bound(key_rules.LABEL_PATTERN)
    assert named["`X-Request-Id` of a request".strip("`")] == bound(answers._CLEAN_ID.pattern)
    assert key_rules.IDEMPOTENCY_PATTERN == r"^[!-~]([ -~]{0,253}[!-~])?$"
    assert named["Idempotency-Key"] == ("printable ASCII", 255, 1)
    assert len(named) == 4


def test_the_readme_links_to_the_page() -> None:
    assert "(docs/no-text.md)" in (ROOT / "README.md").read_text("utf-8")
