"""Reads the Markdown pages: their blocks, headings and links."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOT_PAGES = [
    ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "clients/python/README.md")
]
ADRS = ROOT / "docs" / "adr"

COMMANDS = ("sh", "python")
ANSWERS = ("json", "text")
# Neither run nor compared.
PICTURES = ("mermaid",)
FILES = ("csv", "toml", "nginx", "yaml", "lua", *COMMANDS, *ANSWERS)

_FENCE = re.compile(r"^( *)```(.*?)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `words` is its info string: a language, then how it is tested.

    `needs=SOFTWARE`: only its syntax is checked. `fails`: it ends with an error. `file=NAME`: the
    reader saves it under that name. `example`: it is not the output of the command above it.
    `varies`: only the shape is that of the output.
    """

    page: Path
    line: int
    words: Sequence[str]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    def value(self, name: str) -> str | None:
        """Return what follows `name=` in the info string."""
        found = [word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")]
        return found[0] if found else None

    @property
    def is_run(self) -> bool:
        is_left_out = self.value("needs") or self.value("file")
        return self.language in COMMANDS and not is_left_out

    @property
    def is_answer(self) -> bool:
        return self.language in ANSWERS and "example" not in self.words and not self.value("file")


def blocks(page: Path) -> list[Block]:
    """Return every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2].split(), _dedented(found))
        for found in _FENCE.finditer(text)
    ]


def _dedented(found: re.Match[str]) -> str:
    return re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)


def prose(page: Path) -> str:
    """Return the page without its blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the anchor of each heading, as forges make them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield file and anchor of each link that stays in the repository."""
    for target in _LINK.findall(prose(page)):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor
