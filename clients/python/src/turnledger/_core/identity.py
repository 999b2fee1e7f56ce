"""Who a turn belongs to, and which turn is current: context variables and their defaults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ValidationError

if TYPE_CHECKING:
    from .._turn import OpenTurn


class Identity(NamedTuple):
    """The participants of a turn; `mode` None: by the others."""

    user_id: str | None = None
    relationship_id: str | None = None
    personality_id: str | None = None
    mode: str | None = None

    def over(self, defaults: Identity) -> Identity:
        """Return this identity, with what it lacks from `defaults`."""
        return Identity(
            self.user_id if self.user_id is not None else defaults.user_id,
            self.relationship_id if self.relationship_id is not None else defaults.relationship_id,
            self.personality_id if self.personality_id is not None else defaults.personality_id,
            self.mode if self.mode is not None else defaults.mode,
        )

    def resolved_mode(self) -> str:
        """Return the mode: `stateful` if user and relationship are known, unless it is given."""
        if self.mode is not None:
            return self.mode
        is_stateful = self.user_id is not None and self.relationship_id is not None
        return "stateful" if is_stateful else "stateless"

    def require_usable(self) -> None:
        """Raise ValidationError unless there is a personality, and all participants are texts."""
        self.require_personality()
        self.require_texts()

    def require_texts(self) -> None:
        """Raise ValidationError for a participant that is neither a text nor None."""
        for name, value in zip(self._fields, self, strict=True):
            if value is not None and not isinstance(value, str):
                raise ValidationError(
                    f"{name} is {type(value).__name__}: pass a str.", code="validation_error"
                )

    def require_personality(self) -> str:
        """Return the personality, or raise ValidationError."""
        if self.personality_id is None:
            raise ValidationError(
                "personality_id is missing: pass it, or set it for the ledger "
                "(Ledger(personality_id=…) or TURNLEDGER_PERSONALITY).",
                code="validation_error",
            )
        return self.personality_id


NOBODY = Identity()


class _Defaults:
    """The defaults of a block, and those of the block around it."""

    __slots__ = ("has_left", "outer", "who")

    def __init__(self, who: Identity, outer: _Defaults | None) -> None:
        self.who = who
        self.outer = outer
        self.has_left = False


_DEFAULTS: ContextVar[_Defaults | None] = ContextVar("turnledger_identity", default=None)
_CURRENT: ContextVar[OpenTurn | None] = ContextVar("turnledger_turn", default=None)


def current_defaults() -> Identity:
    """Return the defaults of the innermost block."""
    defaults = _DEFAULTS.get()
    return NOBODY if defaults is None else defaults.who


@contextmanager
def defaults_inside(who: Identity) -> Iterator[None]:
    """Set defaults inside of a block.

    Blocks of generators may end in any order, and in another context. Then none of them makes the
    defaults of a block current that has ended.
    """
    inside = _Defaults(who.over(current_defaults()), _DEFAULTS.get())
    _DEFAULTS.set(inside)
    try:
        yield
    finally:
        inside.has_left = True
        # A generator that is closed in another context leaves that context as it is.
        if _DEFAULTS.get() is inside:
            outer = inside.outer
            while outer is not None and outer.has_left:
                outer = outer.outer
            _DEFAULTS.set(outer)


def current_turn() -> OpenTurn | None:
    """Return the innermost open turn of this thread or task; None outside of turns."""
    turn = _CURRENT.get()
    # A context that was copied may name turns that have ended since, or those of a forked parent.
    while turn is not None and (turn.has_left or turn.process_id != os.getpid()):
        turn = turn.outer
    return turn


def enter_turn(turn: OpenTurn) -> None:
    """Make `turn` the current one."""
    _CURRENT.set(turn)


def leave_turn(turn: OpenTurn) -> None:
    """Make the turn around `turn` the current one again, if `turn` is still the current one.

    A generator that is closed in another context leaves that context's turn as it is.
    """
    if _CURRENT.get() is turn:
        _CURRENT.set(turn.outer)
