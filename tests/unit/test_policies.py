"""Policies: doors that ask for a key need a scope, and no other door has one."""

from dataclasses import replace

import pytest

from app.policies import Door, Policy
from app.tenancy.errors import OrganizationSuspended, ScopeMissing
from app.tenancy.model import Scope
from tests.unit.admission.world import principal

KEY_DOORS = [Door.METERED, Door.RECORDING]
OTHER_DOORS = [Door.PROBE, Door.FILE, Door.PUBLIC, Door.OPERATOR, Door.CONSOLE, Door.LOGIN]


@pytest.mark.parametrize("door", KEY_DOORS)
def test_a_door_that_asks_for_a_key_needs_a_scope(door: Door) -> None:
    assert Policy(door, Scope.READ).door.asks_for_key
    with pytest.raises(ValueError, match=f"{door.name} needs a scope"):
        Policy(door)


@pytest.mark.parametrize("door", OTHER_DOORS)
def test_another_door_has_no_scope(door: Door) -> None:
    assert not Policy(door).door.asks_for_key
    with pytest.raises(ValueError, match=f"{door.name} takes no scope"):
        Policy(door, Scope.READ)


def test_a_key_needs_the_scope_of_the_policy_or_a_larger_one() -> None:
    policy = Policy(Door.METERED, Scope.READ_WRITE)

    for scope in (Scope.READ_WRITE, Scope.ADMIN):
        policy.require_permission(replace(principal(), scope=scope))
    with pytest.raises(ScopeMissing, match="read_write"):
        policy.require_permission(replace(principal(), scope=Scope.READ))


def test_a_suspended_organization_may_use_no_route() -> None:
    with pytest.raises(OrganizationSuspended):
        Policy(Door.METERED, Scope.READ).require_permission(replace(principal(), is_suspended=True))
