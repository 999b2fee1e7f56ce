"""Take organizations and keys from the command line, by what an operator has of them."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from app.audit.model import Author
from app.cli.text import Utf8Text
from app.http.application import provided
from app.tenancy.leaks import LeakSearch
from app.tenancy.service import Organizations

ORGANIZATION = "ORG_ID|NAME"
_NO_KEY = "No key of this service is in the text. `flask key list ORG_ID` shows the keys of one."
# More than a message or a commit has, so that a wrong file costs no memory.
_MOST_CHARACTERS = 200_000


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
    """Return the key in standard input; a terminal does not show what is typed."""
    if sys.stdin.isatty():
        return str(click.prompt("API key", hide_input=True, err=True)).strip()
    return _key_in(sys.stdin.read(_MOST_CHARACTERS).strip())


def _key_in(text: str) -> str:
    """Return a text without white space as it is, or else the id of the one key in it."""
    if len(text.split()) < 2:
        return text
    leak = provided(LeakSearch).find_all(text)
    if len(leak.certain) == 1 and not leak.has_more:
        return next(iter(leak.certain))
    ids = [*leak.certain, *leak.possible_ids]
    if not ids:
        raise click.ClickException(_NO_KEY)
    more = " The text has more keys: search it in parts." if leak.has_more else ""
    raise click.ClickException(
        f"Nothing is changed: the text names {', '.join(ids)}. Name one of them.{more}"
    )
