"""Take words from the command line as UTF-8, whatever the locale."""

from typing import Any

import click

from app.observability.terminal import utf8_argument


class Utf8Text(click.ParamType[str]):
    """Text of an argument or option; a usage error for bytes that are not UTF-8."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        try:
            return utf8_argument(str(value))
        except UnicodeError:
            return self.fail("is not text in UTF-8.", param, ctx)
