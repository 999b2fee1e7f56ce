"""Organizations, plans, keys and principals: the values that every other room uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property


class Scope(StrEnum):
    """The rights of a key; each scope includes the ones before it."""

    READ = "read"
    READ_WRITE = "read_write"
    ADMIN = "admin"

    @cached_property
    def included(self) -> tuple["Scope", ...]:
        """Every scope that this one includes, itself last: a key may do all that they allow."""
        ranked = tuple(Scope)
        return ranked[: ranked.index(self) + 1]


class Environment(StrEnum):
    """The two environments of an organization; neither sees the other's data."""

    LIVE = "live"
    TEST = "test"


class KeyState(StrEnum):
    """The states of a key, in the order in which lists show them; only ACTIVE keys are accepted."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class OveragePolicy(StrEnum):
    """The effect of a spent quota: refuse the turn, or go on counting."""

    BLOCK = "block"
    ALLOW = "allow"


# A bound on what an account may store for nothing, where its plan sets none.
MAX_UNCHARGED_TURNS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings in force for one organization; `None` means unlimited.

    `uncharged_turns` is never unlimited: if it is None, `uncharged_ceiling` is the ceiling of
    `turns`, at most `MAX_UNCHARGED_TURNS`.
    """

    requests_per_second: int
    burst: int
    turns: int | None
    active_relationships: int | None
    overage_policy: OveragePolicy = OveragePolicy.BLOCK
    uncharged_turns: int | None = None

    @property
    def uncharged_ceiling(self) -> int:
        """The ceiling of turns that cost nothing, in a billing period."""
        if self.uncharged_turns is not None:
            return self.uncharged_turns
        return MAX_UNCHARGED_TURNS if self.turns is None else min(self.turns, MAX_UNCHARGED_TURNS)


@dataclass(frozen=True, slots=True)
class Plan:
    """An entry of the plan catalogue."""

    id: str
    name: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class TemporaryLimit:
    """An own limit of an organization that ends by itself at `until`."""

    value: int | str
    until: datetime


@dataclass(frozen=True, slots=True)
class Organization:
    """A customer; `limits` are its plan's with its own limits applied.

    Own limits are `overrides`, and `temporary_limits` over them until each of these ends.
    """

    id: str
    name: str
    plan: str
    limits: Limits
    signed_up_on: date
    created_at: datetime
    overrides: Mapping[str, int | str] = field(default_factory=dict)
    is_suspended: bool = False
    temporary_limits: Mapping[str, TemporaryLimit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultyOrganization:
    """A customer that cannot be served: `reason` says what is wrong and the next step.

    The other fields are those of its document; None if they are missing or damaged.
    """

    id: str
    reason: str
    name: str | None
    plan: str | None
    signed_up_on: date | None
    created_at: datetime | None
    is_suspended: bool | None


FoundOrganization = Organization | FaultyOrganization


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: `digest` proves the secret without holding it, `hint` names it.

    `last_used_at` is within about a minute of the last use; None if the key was never used.
    `replaced_by` is the key of its last rotation.
    """

    id: str
    organization_id: str
    environment: Environment
    scope: Scope
    lookup: str
    digest: str = field(repr=False)
    hint: str
    created_at: datetime
    label: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class FaultyKey:
    """A key whose document is damaged: `reason` says what is wrong and the next step."""

    id: str
    organization_id: str
    reason: str


FoundKey = ApiKey | FaultyKey


@dataclass(frozen=True)  # without slots, so that the account is named once
class Principal:
    """An authenticated key with all that a request needs to know of its organization."""

    organization_id: str
    organization_name: str
    key_id: str
    scope: Scope
    environment: Environment
    plan: str
    limits: Limits
    signed_up_on: date
    is_suspended: bool = False
    key_expires_at: datetime | None = None

    @classmethod
    def of(
        cls,
        organization: Organization,
        *,
        key_id: str,
        scope: Scope,
        environment: Environment,
        key_expires_at: datetime | None = None,
    ) -> "Principal":
        """Make the principal of this key of `organization`."""
        return cls(
            organization_id=organization.id,
            organization_name=organization.name,
            key_id=key_id,
            scope=scope,
            environment=environment,
            plan=organization.plan,
            limits=organization.limits,
            signed_up_on=organization.signed_up_on,
            is_suspended=organization.is_suspended,
            key_expires_at=key_expires_at,
        )

    @cached_property
    def account(self) -> str:
        """The tenant that owns ledger rows; see `account_of`."""
        return account_of(self.organization_id, self.environment)


def account_of(organization_id: str, environment: Environment) -> str:
    """Return the name of an account, `org_01J…:live`: an environment of an organization."""
    return f"{organization_id}:{environment.value}"


def organization_in(account: str) -> str:
    """Return the organization's id from the name of an account, or from its own id."""
    return account.partition(":")[0]
