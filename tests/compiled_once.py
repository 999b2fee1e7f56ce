"""Compile each Lua script, route and template once in a test process, not once in each test.

Every test has an application and an in-memory Redis of its own. Without this module, half of the
time of a small test goes into compiling the same text again:

- werkzeug parses each route, and compiles two functions that build its URL, for each application.
- Jinja compiles each template that a page uses, for each application.
- fakeredis compiles a script in each call, and collects all garbage of Lua after it. Redis compiles
  it once.
"""

from types import CodeType, MethodType
from typing import Any

from fakeredis.commands_mixins import scripting_mixin
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

_AFTER_EACH_CALL = "collectgarbage()"
_compile_rule = Rule.compile
# The first rule of each text.
_rules: dict[object, Rule] = {}
# Lua's binary form of each script.
_scripts: dict[bytes | str, bytes] = {}


def _compile(rule: Rule) -> None:
    """Compile the rule, or take all from an earlier rule: its text decides, but for defaults."""
    key = (rule.rule, rule.merge_slashes, rule.subdomain)
    if rule.defaults or key not in _rules:
        _compile_rule(rule)
    if rule.defaults:
        return
    known = _rules.setdefault(key, rule)
    rule.arguments = known.arguments
    rule._parts, rule._trace, rule._converters = known._parts, known._trace, known._converters
    rule._build = MethodType(known._build.__func__, rule)  # type: ignore[attr-defined]
    rule._build_unknown = MethodType(known._build_unknown.__func__, rule)  # type: ignore[attr-defined]


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
    Rule.compile = _compile  # type: ignore[method-assign, assignment]
    scripting_mixin.LUA_MODULE.LuaRuntime = _Lua  # type: ignore[attr-defined]
