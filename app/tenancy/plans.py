"""Read the plan catalogue from a TOML file, check it, and apply it to organizations."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.tenancy.model import Limits, OveragePolicy, Plan

UNLIMITED = "unlimited"

# Admission stores a bucket's level as tokens x microseconds in a double, which is exact below
# 2**53: so a bucket may not be larger than this.
MAX_BURST = (2**53 - 1) // 1_000_000
MAX_QUOTA = 2**53 - 1
BOUNDS: Mapping[str, tuple[int, int]] = {
    "requests_per_second": (1, MAX_BURST),
    "burst": (1, MAX_BURST),
    "turns": (0, MAX_QUOTA),
    "active_relationships": (0, MAX_QUOTA),
    "uncharged_turns": (0, MAX_QUOTA),
}
QUOTA_FIELDS = frozenset({"turns", "active_relationships"})
_OPTIONAL = QUOTA_FIELDS | {"uncharged_turns"}

# `turns_per_period` in the file is `turns` in `Limits`.
_FILE_FIELDS = {
    "requests_per_second": "requests_per_second",
    "burst": "burst",
    "turns_per_period": "turns",
    "active_relationships": "active_relationships",
    "uncharged_turns": "uncharged_turns",
}
_KNOWN = {"name", "overage_policy", *_FILE_FIELDS}


def load_plans(path: str | Path) -> Mapping[str, Plan]:
    """Return every plan by its id, in the order of the file.

    Raises ValueError that lists every fault at once, each with plan, field and fix.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}. Set PLANS_FILE to a plan file.") from error
    except ValueError as error:
        raise ValueError(f"{path}: not TOML in UTF-8 ({error}). Fix that line.") from error
    faults = _file_faults(tables)
    if faults:
        raise ValueError("\n".join(f"{path}: {fault}" for fault in faults))
    return {plan_id: _plan(plan_id, table) for plan_id, table in tables.items()}


def effective_limits(plan: Plan, overrides: Mapping[str, int | str]) -> Limits:
    """Return the plan's limits with an organization's own ceilings applied."""

    def ceiling(field: str, default: int | None) -> int | None:
        value = overrides.get(field, default)
        return None if value == UNLIMITED or value is None else int(value)

    limits = plan.limits
    return Limits(
        requests_per_second=int(overrides.get("requests_per_second", limits.requests_per_second)),
        burst=int(overrides.get("burst", limits.burst)),
        turns=ceiling("turns", limits.turns),
        active_relationships=ceiling("active_relationships", limits.active_relationships),
        overage_policy=OveragePolicy(str(overrides.get("overage_policy", limits.overage_policy))),
        uncharged_turns=ceiling("uncharged_turns", limits.uncharged_turns),
    )


def limit_fault(field: str, value: Any) -> str | None:
    """Explain why `value` cannot be this limit, as the end of a sentence; None if it can."""
    low, high = BOUNDS[field]
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return None
    return f"must be a whole number from {low} to {high}, not {value!r}"


def override_fault(field: str, value: Any) -> str | None:
    """Explain why `value` cannot be an organization's own ceiling, as `limit_fault`."""
    if field == "overage_policy":
        policies = list(OveragePolicy)
        return None if value in policies else f"must be one of {', '.join(policies)}"
    if field not in BOUNDS:
        return f"is not a ceiling; those are {', '.join(BOUNDS)}, overage_policy"
    if field in QUOTA_FIELDS and value == UNLIMITED:
        return None
    return limit_fault(field, value)


def _plan(plan_id: str, table: Mapping[str, Any]) -> Plan:
    limits = Limits(
        requests_per_second=table["requests_per_second"],
        burst=table["burst"],
        turns=table.get("turns_per_period"),
        active_relationships=table.get("active_relationships"),
        overage_policy=OveragePolicy(table.get("overage_policy", OveragePolicy.BLOCK)),
        uncharged_turns=table.get("uncharged_turns"),
    )
    return Plan(plan_id, table["name"], limits)


def _file_faults(tables: Mapping[str, Any]) -> list[str]:
    if not tables:
        return ["there is no plan: add at least one table such as [free]"]
    faults = []
    for plan_id, table in tables.items():
        if isinstance(table, dict):
            faults += [f"plan '{plan_id}', {fault}" for fault in _plan_faults(table)]
        else:
            faults.append(f"'{plan_id}' stands outside a plan: move it below a line such as [free]")
    return faults


def _plan_faults(table: Mapping[str, Any]) -> list[str]:
    faults = [
        f"field '{key}' is unknown: remove it, or use one of {', '.join(sorted(_KNOWN))}"
        for key in table
        if key not in _KNOWN
    ]
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        faults.append("field 'name' must be the plan's name for people")
    if table.get("overage_policy", "block") not in list(OveragePolicy):
        faults.append('field \'overage_policy\' must be "block" or "allow"')
    return faults + _number_faults(table)


def _number_faults(table: Mapping[str, Any]) -> list[str]:
    faults = []
    for key, field in _FILE_FIELDS.items():
        if key not in table and field in _OPTIONAL:
            continue
        fault = limit_fault(field, table.get(key, "nothing"))
        if fault:
            faults.append(f"field '{key}' {fault}")
    return faults
