"""Entries of the audit trail: the values that other rooms use."""

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.http.request_errors import FieldError, field_error, require_valid

MAX_AUTHOR_LENGTH = 110
MAX_REASON_LENGTH = 200
Fields = Mapping[str, Any]


class Action(StrEnum):
    """The changes that have entries."""

    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    PLAN_CHANGED = "plan.changed"
    LIMITS_CHANGED = "limits.changed"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    KEY_ROTATED = "key.rotated"
    # The new key of a rotation or creation could not be shown, so the change was taken back.
    KEY_ROTATION_UNDONE = "key.rotation_undone"
    KEY_WITHDRAWN = "key.withdrawn"


class AuthorKind(StrEnum):
    """The kind of an author, before the colon of `console:NAME`."""

    CONSOLE = "console"
    COMMAND = "command"
    KEY = "key"


class Outcome(StrEnum):
    """The outcome of a change: made, not made, or (`INTENDED`) unknown."""

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a change, and the reason if one was given; raises InvalidFields."""

    who: str
    reason: str | None = None

    def __post_init__(self) -> None:
        require_valid(_reason_field_errors(self.reason))

    @classmethod
    def of_command(cls, reason: str | None = None) -> "Author":
        """Return the operating system's user that runs this process."""
        user_id = os.getuid()
        try:
            name = pwd.getpwuid(user_id).pw_name
        except KeyError:  # in a container that does not name its users
            name = f"uid-{user_id}"
        return cls(f"command:{name}"[:MAX_AUTHOR_LENGTH], reason)

    @classmethod
    def of_key(cls, key_id: str) -> "Author":
        """Return the API key that a request was sent with."""
        return cls(f"key:{key_id}")


@dataclass(frozen=True, slots=True)
class Change:
    """A change: `before` and `after` have the same fields, those that differ."""

    action: Action
    organization_id: str
    key_id: str | None = None
    before: Fields | None = None
    after: Fields | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A change with its author, its instant and its outcome."""

    id: str
    at: datetime
    who: str
    reason: str | None
    change: Change
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Filters of a list of entries; None does not filter.

    `author_name` is what follows the kind, such as a user or the id of a key. `until` is the first
    instant after the range. `has_failed` as False leaves out changes that were not made.
    """

    organization_id: str | None = None
    key_id: str | None = None
    action: Action | None = None
    author_kind: AuthorKind | None = None
    author_name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    has_failed: bool | None = None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some of the `total_count` entries that match, newest first."""

    entries: Sequence[Entry]
    total_count: int
    has_more: bool


def _reason_field_errors(reason: str | None) -> list[FieldError]:
    if reason is None:
        return []
    if reason.strip() and reason.isprintable() and len(reason) <= MAX_REASON_LENGTH:
        return []
    message = f"The reason must be 1 to {MAX_REASON_LENGTH} printable characters on one line."
    return [field_error("reason", "invalid_reason", message, {"max_length": MAX_REASON_LENGTH})]
