"""Reserving at the gate, and reading what it says."""

from app.admission.decision import Decision, Verdict
from app.tenancy.model import Limits
from tests.unit.admission.world import SECOND_US, World, principal, turn

HOLD_US = 150 * SECOND_US
A = turn("turn_a", 1, "rel_a")


def reserve(world: World, in_force: Limits, name: str, relationship: str | None = None) -> Decision:
    return world.gate.reserve(principal(in_force), turn(name, 1, relationship), HOLD_US)


def verdict(decision: Decision) -> Verdict:
    return decision.items[0].verdict


def counts(decision: Decision) -> tuple[int, int]:
    assert decision.quota is not None
    return decision.quota.turns_used, decision.quota.turns_reserved
