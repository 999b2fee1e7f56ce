"""Compile each Lua script, route and template once in a test process, not once in each test.

Every test has an application and an in-memory Redis of its own. Without this module, half of the
time of a small test goes into compiling the same text again:

- werkzeug compiles two functions that build the URL of each route, for each application.
- Jinja compiles each template that a page uses, for each application.
- fakeredis compiles a script in each call, and collects all garbage of Lua after it. Redis compiles
  it once.
"""

from collections.abc import Callable
from types import CodeType
from typing import Any

from fakeredis.commands_mixins import scripting_mixin
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]
_AFTER_EACH_CALL = "collectgarbage()"
_compile_builder = Rule._compile_builder
_builders: dict[object, Builder] = {}
# Lua's binary form of each script.
_scripts: dict[bytes | str, bytes] = {}


def _builder_of(rule: Rule, append_unknown: bool = True) -> Builder:  # noqa: FBT002
    """Return the function that builds the rule's URLs: its text decides, but for defaults."""
    if rule.defaults:
        return _compile_builder(rule, append_unknown)
    key = (rule.rule, tuple(rule._trace), append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(rule, append_unknown)
    return _builders[key]


class _Templates(BytecodeCache):
    """Keeps the code of templates; a changed source is another template."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


class _Lua(scripting_mixin.LUA_MODULE.LuaRuntime):  # type: ignore[misc, name-defined]
    """Runs scripts that are compiled already; collects garbage as Lua itself does."""

    def execute(self, script: bytes | str, *arguments: Any) -> Any:
        if script == _AFTER_EACH_CALL:
            return None
        return self._loaded(script)(*arguments)

    def _loaded(self, script: bytes | str) -> Any:
        """Return the script as a function of this runtime."""
        known: dict[bytes | str, Any] = self.__dict__.setdefault("known", {})
        if script not in known:
            if script not in _scripts:
                _scripts[script] = self.globals()[b"string"][b"dump"](self.compile(script))
            known[script] = self.globals()[b"loadstring"](_scripts[script])
        return known[script]


def install() -> None:
    """Replace the compiling of werkzeug, Jinja and fakeredis in this process."""
    Flask.jinja_options = {"bytecode_cache": _Templates()}
    Rule._compile_builder = _builder_of  # type: ignore[method-assign, assignment]
    scripting_mixin.LUA_MODULE.LuaRuntime = _Lua  # type: ignore[attr-defined]
