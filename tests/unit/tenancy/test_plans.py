"""The plan catalogue says what the contract says, and a bad file is refused with the fix."""

from pathlib import Path

import pytest

from app.tenancy.model import Limits, OveragePolicy
from app.tenancy.plans import effective_limits, load_plans
from tests.servers import ROOT

GOOD = 'name = "A"\nrequests_per_second = 5\nburst = 10\n'


def write(folder: Path, text: str) -> Path:
    file = folder / "plans.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_shipped_catalogue_is_the_contracts() -> None:
    plans = load_plans(ROOT / "config" / "plans.toml")

    assert {plan.id: plan.limits for plan in plans.values()} == {
        "free": Limits(5, 10, 1_000, 25),
        "pro": Limits(25, 50, 50_000, 2_500),
        "scale": Limits(100, 200, 1_000_000, 50_000),
        "enterprise": Limits(500, 1_000, None, None),
    }
    assert [plan.name for plan in plans.values()] == ["Free", "Pro", "Scale", "Enterprise"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["there is no plan", "add"]),
        ("[a\n", ["not TOML"]),
        ("burst = 3\n", ["'burst'", "outside a plan"]),
        (f"[a]\n{GOOD}".replace("burst = 10", ""), ["plan 'a'", "'burst'", "nothing"]),
        (f"[a]\n{GOOD}".replace("10", "0"), ["plan 'a'", "'burst'", "from 1 to"]),
        (f"[a]\n{GOOD}".replace("10", "true"), ["plan 'a'", "'burst'", "whole number"]),
        (
            f"[a]\n{GOOD}".replace("10", str(2**53 // 10**6 + 1)),
            ["plan 'a'", "'burst'", "from 1 to"],
        ),
        (f"[a]\n{GOOD}".replace("5", "2.5"), ["'requests_per_second'", "whole number"]),
        (f"[a]\n{GOOD}turns_per_period = -1\n", ["'turns_per_period'", "from 0"]),
        (f'[a]\n{GOOD}active_relationships = "many"\n', ["'active_relationships'", "'many'"]),
        (f'[a]\n{GOOD}overage_policy = "maybe"\n', ["'overage_policy'", '"block" or "allow"']),
        (f"[a]\n{GOOD}turns = 5\n", ["'turns' is unknown", "turns_per_period"]),
        (f"[a]\n{GOOD}".replace('"A"', '" "'), ["plan 'a'", "'name'"]),
    ],
)
def test_a_bad_file_is_refused_with_plan_field_and_fix(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the words are checked below)
        load_plans(write(tmp_path, text))

    assert all(word in str(refusal.value) for word in words), refusal.value
    assert "plans.toml" in str(refusal.value)


def test_every_fault_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    text = "[a]\nname = 3\nburst = 0\nrequests_per_second = 1\n[b]\ncolour = 1\n"

    with pytest.raises(ValueError, match="plan 'a'") as refusal:
        load_plans(write(tmp_path, text))

    assert len(str(refusal.value).splitlines()) == 6


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="PLANS_FILE"):
        load_plans(tmp_path / "absent.toml")


def test_a_quota_left_out_is_unlimited_and_the_default_policy_blocks(tmp_path: Path) -> None:
    plan = load_plans(write(tmp_path, f"[a]\n{GOOD}"))["a"]

    assert plan.limits == Limits(5, 10, None, None, OveragePolicy.BLOCK)


def test_own_ceilings_replace_the_plans_one_by_one(tmp_path: Path) -> None:
    plan = load_plans(write(tmp_path, f"[a]\n{GOOD}turns_per_period = 7\n"))["a"]

    assert effective_limits(plan, {}) == plan.limits
    assert effective_limits(plan, {"turns": "unlimited"}).turns is None
    assert effective_limits(plan, {"turns": 0, "active_relationships": 3, "burst": 1}) == Limits(
        5, 1, 0, 3
    )
    assert effective_limits(plan, {"overage_policy": "allow"}).overage_policy is OveragePolicy.ALLOW
