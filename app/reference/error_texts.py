"""Read the texts of the error pages: one TOML file for each code, in `errors/`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from app.reference.markup import to_html


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for an error: how clients recognize it, and what to do."""

    cause: Markup
    sign: Markup
    next_step: Markup


@dataclass(frozen=True, slots=True)
class DetailsField:
    """One field of `details`."""

    name: str
    type: str
    meaning: Markup


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What people read about one code."""

    lead: Markup
    retry: Markup
    charged: Markup
    sent_by: Markup
    causes: tuple[Cause, ...]
    details: tuple[DetailsField, ...]
    handling: str
    related: tuple[str, ...]


@cache
def read_error_text(code: str) -> ErrorText:
    """Return the text of a code; read once in a process."""
    file = files("app.reference") / "errors" / f"{code}.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    return ErrorText(
        lead=to_html(table["lead"]),
        retry=to_html(table["retry"]),
        charged=to_html(table["charged"]),
        sent_by=to_html(table["sent_by"]),
        causes=tuple(_cause(each) for each in table["causes"]),
        details=tuple(_details_field(each) for each in table.get("details", [])),
        handling=table["handling"].strip(),
        related=tuple(table["related"]),
    )


def _cause(table: dict[str, str]) -> Cause:
    return Cause(*(to_html(table[name]) for name in ("cause", "sign", "next_step")))


def _details_field(table: dict[str, str]) -> DetailsField:
    return DetailsField(table["name"], table["type"], to_html(table["meaning"]))
