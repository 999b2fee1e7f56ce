"""Organizations: names, plans, own ceilings, suspension."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.http.faults import AccountFault
from app.http.request_errors import InvalidFields
from app.tenancy.errors import OrganizationNotFound
from app.tenancy.model import Limits, OveragePolicy
from app.tenancy.service import Organizations
from tests.unit.tenancy.conftest import House


def test_a_new_organization_is_stored_as_requested(house: House) -> None:
    made = house.organizations.create("Café Zürich 東京", "pro")

    assert made.id.startswith("org_")
    assert len(made.id) == 30
    assert (made.name, made.plan, made.is_suspended) == ("Café Zürich 東京", "pro", False)
    assert made.limits == Limits(25, 50, 50_000, 2_500)
    assert made.signed_up_on == date(2026, 11, 23)
    assert made.created_at == datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=UTC)
    assert house.organizations.get_(made.id) == made


def test_the_sign_up_day_can_lie_in_the_past(house: House) -> None:
    made = house.organizations.create("Acme", "free", date(2024, 1, 31))

    assert house.organizations.get_(made.id).signed_up_on == date(2024, 1, 31)


def test_listing_shows_the_oldest_first(house: House) -> None:
    made = []
    for name in ("first", "second", "third"):
        made.append(house.tenant(name=name))
        house.clock.pass_(seconds=1)

    assert house.organizations.list_() == made


@pytest.mark.parametrize(
    "name", ["", "   ", "a" * 101, "line\nbreak", "nul\0", "\x1b[31m", "\ud800"]
)
def test_a_name_that_cannot_be_printed_is_refused(house: House, name: str) -> None:
    with pytest.raises(InvalidFields) as refusal:
        house.organizations.create(name, "free")

    assert [wrong["field"] for wrong in refusal.value.field_errors] == ["name"]
    assert house.organizations.list_() == []


def test_an_unknown_plan_is_refused_with_the_known_ones(house: House) -> None:
    with pytest.raises(
        InvalidFields, match="choose one of free, pro, scale, enterprise"
    ) as refusal:
        house.organizations.create("Acme", "gold")

    assert [wrong["allowed"] for wrong in refusal.value.field_errors] == [list(house.plans)]


def test_all_field_errors_of_a_creation_are_reported_at_once(house: House) -> None:
    with pytest.raises(InvalidFields) as refusal:
        house.organizations.create("", "gold")

    assert [wrong["field"] for wrong in refusal.value.field_errors] == ["name", "plan"]


@pytest.mark.parametrize("method", ["get_", "suspend", "resume"])
def test_an_unknown_organization_is_not_found(house: House, method: str) -> None:
    with pytest.raises(OrganizationNotFound):
        getattr(house.organizations, method)("org_absent")


def test_the_plan_of_an_unknown_organization_cannot_be_set(house: House) -> None:
    with pytest.raises(OrganizationNotFound):
        house.organizations.set_plan("org_absent", "pro")


@pytest.mark.parametrize(
    ("overrides", "limits"),
    [
        ({}, Limits(25, 50, 50_000, 2_500)),
        ({"requests_per_second": 40}, Limits(40, 80, 50_000, 2_500)),
        ({"requests_per_second": 40, "burst": 1}, Limits(40, 1, 50_000, 2_500)),
        ({"burst": 7}, Limits(25, 7, 50_000, 2_500)),
        ({"turns": "unlimited", "active_relationships": 0}, Limits(25, 50, None, 0)),
        ({"overage_policy": "allow"}, Limits(25, 50, 50_000, 2_500, OveragePolicy.ALLOW)),
    ],
)
def test_own_ceilings_stand_over_the_plan(
    house: House, overrides: dict[str, Any], limits: Limits
) -> None:
    tenant = house.tenant()

    changed = house.organizations.set_plan(tenant.id, "pro", overrides)

    assert (changed.plan, changed.limits) == ("pro", limits)
    assert house.organizations.get_(tenant.id) == changed


def test_a_change_of_plan_resets_the_previous_own_ceilings_if_asked_to(house: House) -> None:
    tenant = house.tenant()
    house.organizations.set_plan(tenant.id, "pro", {"turns": 5})

    changed = house.organizations.set_plan(tenant.id, "scale", keep_limits=False)

    assert changed.limits == house.plans["scale"].limits
    assert changed.overrides == {}


@pytest.mark.parametrize(
    "overrides",
    [
        {"requests_per_second": 0},
        {"requests_per_second": "unlimited"},
        {"burst": 0},
        {"burst": 2**53},
        {"turns": -1},
        {"turns": "many"},
        {"turns": True},
        {"active_relationships": 2**53},
        {"overage_policy": "maybe"},
        {"colour": 1},
    ],
)
def test_an_impossible_ceiling_is_refused_by_name(house: House, overrides: dict[str, Any]) -> None:
    tenant = house.tenant()

    with pytest.raises(InvalidFields) as refusal:
        house.organizations.set_plan(tenant.id, "pro", overrides)

    assert [wrong["field"] for wrong in refusal.value.field_errors] == list(overrides)
    assert house.organizations.get_(tenant.id) == tenant


def test_a_suspension_lasts_until_it_is_ended(house: House) -> None:
    tenant = house.tenant()

    assert house.organizations.suspend(tenant.id).is_suspended
    assert house.organizations.suspend(tenant.id).is_suspended
    assert not house.organizations.resume(tenant.id).is_suspended
    assert house.organizations.get_(tenant.id) == tenant


def test_a_plan_that_the_file_lacks_is_reported_and_can_be_replaced(house: House) -> None:
    tenant = house.tenant("pro")
    remaining = {"free": house.plans["free"]}
    organizations = Organizations(house.store, remaining, house.trail, house.clock.now)

    with pytest.raises(AccountFault) as refusal:
        organizations.get_(tenant.id)

    assert f"flask org set-plan {tenant.id} PLAN" in refusal.value.reason
    assert organizations.set_plan(tenant.id, "free") == organizations.get_(tenant.id)
    assert organizations.get_(tenant.id).limits == remaining["free"].limits
