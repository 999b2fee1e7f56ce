"""Settings of a ledger: arguments first, then environment variables, then defaults."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from ..errors import ConfigurationError
from .values import Account

OnUnavailable = Literal["allow", "raise"]
Send = Literal["background", "inline"]
_KEY = re.compile(r"uniq_(live|test)_[A-Za-z0-9]{8,}")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force; times are in seconds."""

    url: str
    key: str
    personality_id: str | None
    on_unavailable: OnUnavailable
    reserve_timeout_s: float
    timeout_s: float
    send: Send
    inline_timeout_s: float
    exit_timeout_s: float
    outbox: str | os.PathLike[str] | None
    outbox_max_turns: int
    fsync: bool
    is_disabled: bool

    @property
    def account(self) -> Account:
        """The ledger and the key, without the key."""
        text = f"{self.url}\n{self.key}"
        return Account(self.url, hashlib.sha256(text.encode()).hexdigest()[:16])


def resolve(
    url: str | None,
    key: str | None,
    *,
    personality_id: str | None,
    on_unavailable: OnUnavailable | None,
    reserve_timeout_s: float,
    timeout_s: float,
    send: Send | None,
    inline_timeout_s: float,
    exit_timeout_s: float,
    outbox: str | os.PathLike[str] | None,
    outbox_max_turns: int,
    fsync: bool | None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Return the settings; ConfigurationError names the argument or variable, and the fix."""
    is_disabled = _flag(environ, "TURNLEDGER_DISABLED")
    url, key = _address(url, key, environ, is_disabled=is_disabled)
    _require_bounds(reserve_timeout_s, timeout_s, outbox_max_turns)
    return Config(
        url=url,
        key=key,
        personality_id=personality_id or environ.get("TURNLEDGER_PERSONALITY") or None,
        on_unavailable=cast(
            "OnUnavailable",
            _choice(
                *("on_unavailable", on_unavailable, environ, "TURNLEDGER_ON_UNAVAILABLE"),
                ("allow", "raise"),
            ),
        ),
        reserve_timeout_s=reserve_timeout_s,
        timeout_s=timeout_s,
        send=cast(
            "Send", _choice("send", send, environ, "TURNLEDGER_SEND", ("background", "inline"))
        ),
        inline_timeout_s=inline_timeout_s,
        exit_timeout_s=exit_timeout_s,
        outbox=outbox if outbox is not None else environ.get("TURNLEDGER_OUTBOX") or None,
        outbox_max_turns=outbox_max_turns,
        fsync=_flag(environ, "TURNLEDGER_FSYNC") if fsync is None else fsync,
        is_disabled=is_disabled,
    )


def _address(
    url: str | None, key: str | None, environ: Mapping[str, str], *, is_disabled: bool
) -> tuple[str, str]:
    """Return the URL without a slash at its end, and the key; a disabled ledger needs neither."""
    url = url or environ.get("TURNLEDGER_URL") or ("http://disabled" if is_disabled else "")
    key = key or environ.get("TURNLEDGER_KEY") or ("uniq_test_disabled" if is_disabled else "")
    if not _URL.fullmatch(url):
        raise ConfigurationError(
            "url is missing or malformed: pass url or set TURNLEDGER_URL to the address of the "
            "ledger, such as https://ledger.example."
        )
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            "key is missing or malformed: pass key or set TURNLEDGER_KEY to an API key, which "
            "begins with uniq_live_ or uniq_test_."
        )
    return url.rstrip("/"), key


def _require_bounds(reserve_timeout_s: float, timeout_s: float, outbox_max_turns: int) -> None:
    for name, value in (("reserve_timeout_s", reserve_timeout_s), ("timeout_s", timeout_s)):
        if not value > 0:
            raise ConfigurationError(f"{name} must be more than 0 seconds.")
    if outbox_max_turns < 1:
        raise ConfigurationError("outbox_max_turns must be at least 1.")


def _choice(
    name: str,
    value: str | None,
    environ: Mapping[str, str],
    variable: str,
    allowed: tuple[str, str],
) -> str:
    chosen = value or environ.get(variable) or allowed[0]
    if chosen not in allowed:
        source = name if value else variable
        raise ConfigurationError(f"{source} must be {' or '.join(allowed)}.")
    return chosen


def _flag(environ: Mapping[str, str], variable: str) -> bool:
    text = environ.get(variable, "").strip().lower()
    if text not in _TRUE | _FALSE:
        raise ConfigurationError(f"{variable} must be 1 or 0.")
    return text in _TRUE
