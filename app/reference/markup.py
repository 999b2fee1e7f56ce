"""Turn the little markup of our own texts into HTML: code in backticks, and strong words."""

import re

from markupsafe import Markup, escape

from app.http.problems import CODES

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


def to_html(text: str) -> Markup:
    """Return HTML of a text: `x` is code, and also a link if it is an error code; **x** is strong.

    Everything else in the text is escaped.
    """
    html = _CODE.sub(_code, str(escape(text)))
    return Markup(_STRONG.sub(r"<strong>\1</strong>", html))  # noqa: S704 (escaped above)


def _code(found: re.Match[str]) -> str:
    code = f"<code>{found[1]}</code>"
    return f'<a href="/docs/errors/{found[1]}">{code}</a>' if found[1] in CODES else code
