"""Take organizations and keys from the command line, by what an operator has of them."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from app.audit.model import Author
from app.cli.text import Utf8Text
from app.http.application import provided
from app.tenancy.service import Organizations

ORGANIZATION = "ORG_ID|NAME"
# More than a key has, so that a wrong file costs no memory.
_MOST_CHARACTERS = 1_000


def organization_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an argument for an organization; the command gets its id as `organization_id`.

    The decorator must be below the one that opens the application's context.
    """

    @wraps(command)
    def run(*words: Any, organization_id: str, **options: Any) -> Any:
        found = provided(Organizations).find_id(organization_id)
        return command(*words, organization_id=found, **options)

    return click.argument("organization_id", metavar=ORGANIZATION, type=Utf8Text())(run)


def key_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an argument for an API key; the command gets its id, text or hint as `text`."""

    @wraps(command)
    def run(*words: Any, text: str, **options: Any) -> Any:
        return command(*words, text=_read_key() if text == "-" else text, **options)

    return click.argument("text", metavar="KEY_ID|KEY|HINT", type=Utf8Text())(run)


def author_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--reason`; the command gets the author of its change as `by`."""

    @wraps(command)
    def run(*words: Any, reason: str | None, **options: Any) -> Any:
        return command(*words, by=Author.of_command(reason), **options)

    option = click.option("--reason", type=Utf8Text(), help="Kept in the audit trail.")
    return option(run)


def _read_key() -> str:
    """Return the first line of standard input; a terminal does not show what is typed."""
    if sys.stdin.isatty():
        return str(click.prompt("API key", hide_input=True, err=True)).strip()
    return sys.stdin.readline(_MOST_CHARACTERS).strip()
