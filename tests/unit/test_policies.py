"""Policies: doors that ask for a key need a scope, and no other door has one."""

import pytest

from app.policies import Door, Policy
from app.tenancy.errors import ScopeMissing
from app.tenancy.model import Scope

KEY_DOORS = [Door.METERED, Door.RECORDING]
OTHER_DOORS = [Door.PROBE, Door.FILE, Door.PUBLIC, Door.OPERATOR]


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
        policy.require_scope(scope)
    with pytest.raises(ScopeMissing, match="read_write"):
        policy.require_scope(Scope.READ)
