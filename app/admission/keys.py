"""Names of the keys in Redis: readable, and in one slot for one organization."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from app.tenancy.model import Principal

IPV6_PREFIX_BITS = 64
QUOTA_PATTERN = "quota:{*}:*:*"
_QUOTA = re.compile(r"quota:\{([^{}:]+)\}:([a-z]+):(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)  # without slots, so that what every call needs is made once
class AccountKeys:
    """The keys of one account in one billing period; the bucket is the organization's."""

    organization_id: str
    environment: str
    quota_period: str

    @staticmethod
    def of(principal: Principal, quota_period: str) -> "AccountKeys":
        """The keys of the account that `principal` acts for."""
        return _keys_of(principal.organization_id, principal.environment.value, quota_period)

    @property
    def account(self) -> str:
        """The account's name in the ledger, `org_01J…:live`."""
        return f"{self.organization_id}:{self.environment}"

    @property
    def bucket(self) -> str:
        """The token bucket, one for all environments."""
        return f"bucket:{{{self.organization_id}}}"

    @property
    def quota(self) -> str:
        """The hash of counters; its companions add a suffix to this name."""
        return f"quota:{{{self.organization_id}}}:{self.environment}:{self.quota_period}"

    @property
    def relationships(self) -> str:
        """References of each active relationship."""
        return f"{self.quota}:relationships"

    @property
    def seeding(self) -> str:
        """The lock of who seeds this account."""
        return f"{self.quota}:seeding"

    def staging(self, token: str) -> str:
        """Where one seeder gathers relationships before they count."""
        return f"{self.quota}:staging:{token}"

    @property
    def turns(self) -> str:
        """The entry of each turn that is reserved, or was charged or cancelled minutes ago."""
        return f"{self.quota}:turns"

    @property
    def holds(self) -> str:
        """When each reservation lapses."""
        return f"{self.quota}:holds"

    @cached_property
    def for_script(self) -> tuple[str, ...]:
        """KEYS 1 to 6 of the script."""
        companions = ("relationships", "turns", "lapses", "holds")
        return self.bucket, self.quota, *[f"{self.quota}:{name}" for name in companions]


@lru_cache(maxsize=4_096)
def _keys_of(organization_id: str, environment: str, quota_period: str) -> AccountKeys:
    return AccountKeys(organization_id, environment, quota_period)


def parse_quota_key(name: str) -> AccountKeys | None:
    """The account whose counters `name` holds; None for a companion or foreign key."""
    found = _QUOTA.fullmatch(name)
    return AccountKeys(*found.groups()) if found else None


def address_bucket(address: str) -> str:
    """The bucket of a client address: IPv6 by /64, since one host has all of it.

    ValueError if `address` is not one.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            network = IPv6Network((int(parsed), IPV6_PREFIX_BITS), strict=False)
            return f"bucket:{{ip:{network}}}"
        parsed = parsed.ipv4_mapped
    return f"bucket:{{ip:{parsed}}}"
