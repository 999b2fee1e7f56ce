"""Name the state of an organization, so that a change can be refused after another one."""

import json
from hashlib import sha256

from app.tenancy.model import FoundOrganization, Organization


def version_of(organization: FoundOrganization) -> str:
    """Return a text that differs after each change of plan, limits or suspension.

    It also differs once a temporary limit has ended, and after a change of the plan itself.
    """
    state: list[object] = [organization.plan, organization.is_suspended]
    if isinstance(organization, Organization):
        state += [
            dict(organization.overrides),
            {name: str(each) for name, each in organization.temporary_limits.items()},
            str(organization.limits),
        ]
    return sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]
