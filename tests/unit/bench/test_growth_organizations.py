"""The population of the simulation is made up, but always the same, and as unequal as it says."""

import re
from collections import Counter

import pytest

from app.interactions.validator import bson_schema
from app.tenancy.plans import load_plans
from bench.growth.organizations import PLANS, Population, population
from scripts.lib.replay.trace import Arrival
from tests.servers import settings_for

COUNT = 1_000
DRAWS_COUNT = 20_000


def made(seed: int = 1, quota_share: float = 1.0) -> Population:
    return population(load_plans(settings_for().plans_file), COUNT, seed, quota_share)


def owners(chosen: Population) -> list[str]:
    arrivals = [Arrival(line, 0, 1, 1) for line in range(DRAWS_COUNT)]
    return [chosen.owner_of(arrival).organization_id for arrival in arrivals]


@pytest.mark.slow  # seconds of work
def test_a_seed_decides_organizations_and_owners() -> None:
    assert made() == made()
    assert owners(made())[:100] == owners(made())[:100]
    assert {one.organization_id for one in made().principals}.isdisjoint(
        one.organization_id for one in made(seed=2).principals
    )


def test_the_busiest_have_the_shares_of_zipf() -> None:
    chosen = made()
    drawn = Counter(owners(chosen))
    total = sum(1 / rank for rank in range(1, COUNT + 1))
    for rank in (1, 2, 10):
        share = drawn[chosen.principals[rank - 1].organization_id] / DRAWS_COUNT
        assert share == pytest.approx(1 / rank / total, rel=0.15)


def test_every_account_may_stand_in_the_ledger() -> None:
    # The database's own engine spells the end of a text otherwise.
    pattern = bson_schema()["properties"]["account"]["pattern"].replace(r"\z", r"\Z")
    accounts = [one.account for one in made().principals]
    assert len(set(accounts)) == COUNT
    assert all(re.search(pattern, account) for account in accounts)


def test_plans_are_mixed_and_only_the_turns_of_limited_ones_shrink() -> None:
    whole, small = made().principals, made(quota_share=0.1).principals
    assert {one.plan for one in whole} == set(PLANS)
    for before, after in zip(whole, small, strict=True):
        turns = before.limits.turns
        assert after.limits.turns == (None if turns is None else turns / 10)
        assert after.limits.active_relationships == before.limits.active_relationships
        assert (after.plan, after.signed_up_on) == (before.plan, before.signed_up_on)
