"""Own limits: changed one by one, for a time, and together with the plan."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.http.faults import AccountFault
from app.http.request_errors import InvalidFields
from app.tenancy.errors import ChangedMeanwhile, OrganizationNotFound, UndecidedLimits
from app.tenancy.model import Limits, Organization, OveragePolicy, TemporaryLimit
from tests.unit.tenancy.conftest import House

PRO = Limits(25, 50, 50_000, 2_500)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


def in_hours(house: House, hours: int) -> datetime:
    """Return an instant in some hours, without microseconds."""
    return house.clock.wall.replace(microsecond=0) + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"turns": 60_000}, Limits(25, 50, 60_000, 2_500)),
        ({"active_relationships": "unlimited"}, Limits(25, 50, 50_000, None)),
        ({"requests_per_second": 40}, Limits(40, 50, 50_000, 2_500)),
        ({"burst": 7, "turns": 1}, Limits(25, 7, 1, 2_500)),
        ({"overage_policy": "allow"}, Limits(25, 50, 50_000, 2_500, OveragePolicy.ALLOW)),
        ({"uncharged_turns": 4}, Limits(25, 50, 50_000, 2_500, uncharged_turns=4)),
    ],
)
@pytest.mark.parametrize("hours", [None, 1])
def test_only_the_limits_that_are_named_change(
    house: House, limits: dict[str, Any], expected: Limits, hours: int | None
) -> None:
    tenant = house.tenant("pro")
    until_ms = None if hours is None else ms(in_hours(house, hours))

    before, after = house.organizations.change_limits(tenant.id, limits, until_ms)

    assert (before, before.limits) == (tenant, PRO)
    assert after.limits == expected
    assert house.organizations.get_(tenant.id) == after
    assert (after.plan, set(after.temporary_limits)) == ("pro", set(limits) if hours else set())


def test_other_own_limits_stay(house: House) -> None:
    tenant = house.tenant("pro")
    house.organizations.set_plan(tenant.id, "pro", {"turns": 5, "burst": 3})

    _, after = house.organizations.change_limits(tenant.id, {"turns": 6})

    assert after.overrides == {"turns": 6, "burst": 3}


def test_a_temporary_limit_ends_at_its_instant(house: House) -> None:
    tenant = house.tenant("pro")
    house.organizations.change_limits(tenant.id, {"turns": 9})
    until = in_hours(house, 1)

    _, after = house.organizations.change_limits(tenant.id, {"turns": 60_000}, ms(until))

    assert after.temporary_limits == {"turns": TemporaryLimit(60_000, until)}
    assert limits_at(house, tenant, until - timedelta(milliseconds=1)).turns == 60_000
    assert limits_at(house, tenant, until).turns == 9
    assert house.organizations.get_(tenant.id).temporary_limits == {}


def test_the_limits_of_a_key_end_with_a_temporary_limit(house: House) -> None:
    tenant = house.tenant("pro")
    _, token = house.key(tenant)
    house.organizations.change_limits(tenant.id, {"turns": 60_000}, ms(in_hours(house, 1)))

    assert house.authenticator.authenticate(f"Bearer {token}").limits.turns == 60_000
    house.clock.pass_(hours=1)
    assert house.authenticator.authenticate(f"Bearer {token}").limits.turns == 50_000


def test_a_later_change_wins_over_a_temporary_limit(house: House) -> None:
    tenant = house.tenant("pro")
    first, second = (ms(in_hours(house, hours)) for hours in (1, 2))
    change = house.organizations.change_limits

    change(tenant.id, {"turns": 60_000, "burst": 9}, first)
    change(tenant.id, {"turns": 70_000}, second)
    house.clock.pass_(hours=1)
    assert house.organizations.get_(tenant.id).limits == Limits(25, 50, 70_000, 2_500)

    _, after = change(tenant.id, {"turns": 80_000})
    assert (after.limits.turns, after.temporary_limits) == (80_000, {})
    house.clock.pass_(hours=1)
    assert house.organizations.get_(tenant.id).limits.turns == 80_000


def test_a_permanent_limit_waits_for_the_end_of_no_other(house: House) -> None:
    tenant = house.tenant("pro")
    house.organizations.change_limits(tenant.id, {"turns": 60_000}, ms(in_hours(house, 1)))

    _, after = house.organizations.change_limits(tenant.id, {"burst": 9})

    assert after.limits == Limits(25, 9, 60_000, 2_500)


@pytest.mark.parametrize("until_ms", [0, -1, 10**18])
def test_an_end_that_has_passed_or_never_comes_is_refused(house: House, until_ms: int) -> None:
    tenant = house.tenant("pro")

    with pytest.raises(InvalidFields, match="must be in the future"):
        house.organizations.change_limits(tenant.id, {"turns": 5}, until_ms)

    assert house.organizations.get_(tenant.id) == tenant


def test_an_impossible_limit_is_refused_by_name(house: House) -> None:
    tenant = house.tenant("pro")

    with pytest.raises(InvalidFields, match="burst must be a whole number"):
        house.organizations.change_limits(tenant.id, {"turns": 5, "burst": 0})

    assert house.organizations.get_(tenant.id) == tenant


def test_limits_of_an_unknown_organization_cannot_be_changed(house: House) -> None:
    with pytest.raises(OrganizationNotFound):
        house.organizations.change_limits("org_absent", {"turns": 5})


def test_a_faulty_organization_is_refused_and_stays(house: House) -> None:
    tenant = house.tenant("pro")
    found = house.store.find_organization(tenant.id)
    assert found is not None
    house.store.update_organization(found, {"overrides": {"burst": "many"}})

    with pytest.raises(AccountFault, match="set-plan"):
        house.organizations.change_limits(tenant.id, {"turns": 5})


def test_a_change_beside_another_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = house.tenant("pro")
    stale = house.store.find_organization(tenant.id)
    house.organizations.change_limits(tenant.id, {"burst": 9})
    monkeypatch.setattr(house.store, "find_organization", lambda _: stale)

    with pytest.raises(ChangedMeanwhile, match="repeat the change"):
        house.organizations.change_limits(tenant.id, {"turns": 5})

    monkeypatch.undo()
    assert house.organizations.get_(tenant.id).overrides == {"burst": 9}


def with_own_limits(house: House) -> Organization:
    """Make an organization with two permanent limits and a temporary one."""
    tenant = house.tenant("pro")
    house.organizations.change_limits(tenant.id, {"turns": 5, "burst": 7})
    until_ms = ms(in_hours(house, 1))
    return house.organizations.change_limits(tenant.id, {"uncharged_turns": 3}, until_ms)[1]


@pytest.mark.parametrize(
    ("named", "unnamed"),
    [
        ({}, ["turns", "burst", "uncharged_turns"]),
        ({"turns": 6, "burst": 8}, ["uncharged_turns"]),
        ({"uncharged_turns": 6}, ["turns", "burst"]),
    ],
)
def test_a_plan_is_not_set_while_limits_would_be_dropped_silently(
    house: House, named: dict[str, Any], unnamed: list[str]
) -> None:
    tenant = with_own_limits(house)

    with pytest.raises(UndecidedLimits) as refusal:
        house.organizations.set_plan(tenant.id, "scale", named)

    assert refusal.value.names == unnamed
    assert house.organizations.get_(tenant.id) == tenant


def test_a_plan_is_set_without_a_question_once_all_limits_are_named_or_over(house: House) -> None:
    tenant = with_own_limits(house)
    house.clock.pass_(hours=1)

    changed = house.organizations.set_plan(tenant.id, "scale", {"turns": 6, "burst": 8})

    assert changed.limits == Limits(100, 8, 6, 50_000)


def test_a_plan_can_keep_own_limits(house: House) -> None:
    tenant = with_own_limits(house)

    named = {"turns": 6, "requests_per_second": 40}
    changed = house.organizations.set_plan(tenant.id, "scale", named, keep_limits=True)

    assert changed.limits == Limits(40, 7, 6, 50_000, uncharged_turns=3)
    assert set(changed.temporary_limits) == {"uncharged_turns"}


def test_a_plan_can_drop_own_limits(house: House) -> None:
    tenant = with_own_limits(house)

    changed = house.organizations.set_plan(tenant.id, "scale", {"turns": 6}, keep_limits=False)

    assert changed.limits == Limits(100, 200, 6, 50_000)
    assert changed.temporary_limits == {}


def limits_at(house: House, tenant: Organization, moment: datetime) -> Limits:
    house.clock.wall = moment
    return house.organizations.get_(tenant.id).limits
