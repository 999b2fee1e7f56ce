"""Values of searches over all organizations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app.tenancy.model import Environment, FoundKey

SOON = timedelta(days=14)
LONG = timedelta(days=90)


class KeyView(StrEnum):
    """The keys that a listing shows; the first three are of active keys."""

    ACTIVE = "active"
    EXPIRES_SOON = "expires_soon"
    UNUSED = "unused"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Filters of a listing of keys; None does not filter.

    `text` is a part of an organization's name or of a label, an id, or the first characters of a
    key.
    """

    text: str | None = None
    environment: Environment | None = None
    view: KeyView | None = None


@dataclass(frozen=True, slots=True)
class KeyListing:
    """Some of the `total_count` keys that match, newest first; `names` are of organizations."""

    keys: Sequence[FoundKey]
    names: Mapping[str, str]
    total_count: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class KeySummary:
    """Counts of active keys; of them those that expire within `SOON` or are unused for `LONG`."""

    active_count: int
    organizations_count: int
    expire_soon_count: int
    unused_count: int


@dataclass(frozen=True, slots=True)
class NamedOrganization:
    """An organization's id and name."""

    id: str
    name: str
