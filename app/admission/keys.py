"""Name the keys in Redis: readable, and all keys of an organization in one slot."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

IPV6_PREFIX_BITS = 64
QUOTA_PATTERN = "quota:{*}:*:*"
_QUOTA = re.compile(r"quota:\{([^{}:]+)\}:([a-z]+):(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)  # without slots, so that what every call needs is made once
class AccountKeys:
    """The keys of one account in one billing period; the bucket is its organization's."""

    organization_id: str
    environment: str
    quota_period: str

    @property
    def account(self) -> str:
        """Return the account's name in the ledger, `org_01J…:live`."""
        return f"{self.organization_id}:{self.environment}"

    @property
    def bucket(self) -> str:
        """Name the token bucket: one for all environments."""
        return organization_bucket(self.organization_id)

    @property
    def quota(self) -> str:
        """Name the hash of counters; its companion keys add a suffix to this name."""
        return f"quota:{{{self.organization_id}}}:{self.environment}:{self.quota_period}"

    @property
    def relationships(self) -> str:
        """Name the hash of references by relationship."""
        return f"{self.quota}:relationships"

    @property
    def seeding(self) -> str:
        """Name the lock that the seeder of this account holds."""
        return f"{self.quota}:seeding"

    def staging(self, token: str) -> str:
        """Name the hash in which one seeder gathers relationships before they count."""
        return f"{self.quota}:staging:{token}"

    @property
    def turns(self) -> str:
        """Name the hash of turns that are reserved, or were charged or cancelled minutes ago."""
        return f"{self.quota}:turns"

    @property
    def holds(self) -> str:
        """Name the sorted set of reserved turns by the instant at which their hold expires."""
        return f"{self.quota}:holds"

    @cached_property
    def for_script(self) -> tuple[str, ...]:
        """Return KEYS 1 to 6 of the script."""
        # `lapses` is a stored name, and stays: the sorted set of entries by their expiry.
        companions = ("relationships", "turns", "lapses", "holds")
        return self.bucket, self.quota, *[f"{self.quota}:{name}" for name in companions]


@lru_cache(maxsize=4_096)
def account_keys(organization_id: str, environment: str, quota_period: str) -> AccountKeys:
    """Return the keys of an account in a billing period, made once."""
    return AccountKeys(organization_id, environment, quota_period)


def parse_quota_key(name: str) -> AccountKeys | None:
    """Return the account whose counters `name` holds; None for a companion or foreign key."""
    found = _QUOTA.fullmatch(name)
    return AccountKeys(*found.groups()) if found else None


def organization_bucket(organization_id: str) -> str:
    """Name the token bucket of an organization."""
    return f"bucket:{{{organization_id}}}"


def address_bucket(address: str) -> str:
    """Name the bucket of a client address: IPv6 by /64, since one host has all of it.

    ValueError if `address` is not one.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            network = IPv6Network((int(parsed), IPV6_PREFIX_BITS), strict=False)
            return f"bucket:{{ip:{network}}}"
        parsed = parsed.ipv4_mapped
    return f"bucket:{{ip:{parsed}}}"


def login_bucket(address: str) -> str:
    """Name the bucket of the wrong operator tokens of a client address; ValueError as above."""
    return f"{address_bucket(address)}:login"
