"""Addresses of organizations, and what a reader sees of a page."""

import re
from html import unescape

from tests.callers import Caller

LIST = "/console/organizations"


def path_of(caller: Caller) -> str:
    """Return the address of the page of an organization."""
    return f"{LIST}/{caller.organization.id}"


def text_of(page: str) -> str:
    """Return the words of a page, as a reader sees them."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
