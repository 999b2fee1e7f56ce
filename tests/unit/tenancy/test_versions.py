"""Changes that were tried before, and the version that they were tried with."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.tenancy.errors import ChangedMeanwhile
from app.tenancy.model import Organization
from app.tenancy.versions import version_of
from tests.unit.tenancy.conftest import House

UNTIL = timedelta(hours=1)
Change = Callable[[House, Organization], object]
CHANGES: list[Change] = [
    lambda house, of: house.organizations.change_limits(of.id, {"turns": 5}),
    lambda house, of: house.organizations.change_limits(of.id, {"turns": 5}, until_ms(house)),
    lambda house, of: house.organizations.set_plan(of.id, "free"),
    lambda house, of: house.organizations.suspend(of.id),
]


def until_ms(house: House) -> int:
    return int((house.clock.wall + UNTIL).timestamp() * 1_000)


def test_a_trial_shows_the_change_and_makes_none(house: House) -> None:
    tenant = house.tenant("pro")

    before, after = house.organizations.change_limits(tenant.id, {"turns": 5}, is_trial=True)
    planned = house.organizations.set_plan(tenant.id, "free", {"burst": 7}, is_trial=True)

    assert (before, after.limits.turns) == (tenant, 5)
    assert isinstance(planned, Organization)
    assert (planned.plan, planned.limits.burst) == ("free", 7)
    assert house.organizations.get_(tenant.id) == tenant


def test_a_trial_and_its_change_have_the_same_result(house: House) -> None:
    tenant, limits = house.tenant("pro"), {"turns": 5}
    tried = house.organizations.change_limits(tenant.id, limits, until_ms(house), is_trial=True)
    made = house.organizations.change_limits(
        tenant.id, limits, until_ms(house), version=version_of(tried[0])
    )
    assert tried == made


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_makes_another_version(house: House, change: Change) -> None:
    tenant = house.tenant("pro")
    seen = version_of(tenant)
    assert version_of(house.organizations.get_(tenant.id)) == seen

    change(house, tenant)

    assert version_of(house.organizations.get_(tenant.id)) != seen
    with pytest.raises(ChangedMeanwhile):
        house.organizations.change_limits(tenant.id, {"burst": 3}, version=seen)
    with pytest.raises(ChangedMeanwhile):
        house.organizations.set_plan(tenant.id, "scale", keep_limits=True, version=seen)
    assert house.organizations.get_(tenant.id).limits.burst != 3


def test_the_end_of_a_temporary_limit_makes_another_version(house: House) -> None:
    tenant = house.tenant("pro")
    _, raised = house.organizations.change_limits(tenant.id, {"turns": 5}, until_ms(house))

    house.clock.wall += UNTIL

    assert version_of(house.organizations.get_(tenant.id)) != version_of(raised)


def test_a_limit_is_not_changed_beside_a_plan(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = house.tenant("pro")
    stale = house.store.find_organization(tenant.id)
    house.organizations.set_plan(tenant.id, "free")
    monkeypatch.setattr(house.store, "find_organization", lambda _: stale)

    with pytest.raises(ChangedMeanwhile):
        house.organizations.change_limits(tenant.id, {"turns": 5})
