"""Puts the admission script together from the files in `lua/`."""

import re
from hashlib import sha1
from importlib.resources import files

_LUA = files("app.admission") / "lua"
_INCLUDE = re.compile(r"^ *--@include (\w+)$", re.MULTILINE)
_CONSTANT = re.compile(r"^local ([A-Z_]+) = ([\d *^()]+?) *(?:--.*)?$", re.MULTILINE)


def _read(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text(encoding="utf-8")


def _inline_constants(text: str) -> str:
    """Replace the names of constants by their values.

    Lua 5.1 has no constants: each one that a function uses would be a variable, which Lua allocates
    anew in each call (ADR 25).
    """
    while found := _CONSTANT.search(text):
        name, value = found.groups()
        after = re.sub(rf"\b{name}\b", f"({value})", text[found.end() :])
        text = text[: found.start()] + after
    return text


SOURCE = _inline_constants(_INCLUDE.sub(lambda found: _read(found[1]), _read("main")))
SHA = sha1(SOURCE.encode()).hexdigest()  # noqa: S324 - so the server names a script
