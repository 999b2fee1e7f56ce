"""Lists of accounts say whether a spent ceiling refuses."""

from flask import Flask

from tests.callers import new_caller
from tests.console.operator import Operator
from tests.console.organization_paths import LIST, text_of
from tests.turns import body


def test_overage_does_not_hide_a_spent_ceiling_of_uncharged_turns(
    memory_app: Flask, own_operator: Operator
) -> None:
    caller = new_caller(memory_app, "pro", overage_policy="allow", uncharged_turns=1)
    assert caller.record(body(status="failed")).status_code == 201
    assert caller.record(body(status="failed")).status_code == 429

    near = own_operator.data("/console.json")["near"]
    (listed,) = own_operator.data(f"{LIST}.json")["organizations"]

    assert (near["found"], near["refused"]) == (1, 1)
    assert (near["accounts"][0]["component"], near["accounts"][0]["state"]) == (
        "uncharged_turns",
        "spent",
    )
    assert listed["use"].items() <= near["accounts"][0].items()
    assert "1 of them refused" in text_of(own_operator.page("/console"))
    assert "over, allowed" not in own_operator.page("/console")


def test_turns_beyond_their_limit_are_allowed_under_overage(
    memory_app: Flask, own_operator: Operator
) -> None:
    caller = new_caller(memory_app, "pro", overage_policy="allow", turns=1)
    for _ in range(2):
        assert caller.record(body()).status_code == 201

    near = own_operator.data("/console.json")["near"]

    assert (near["found"], near["refused"], near["accounts"][0]["state"]) == (1, 0, "over_allowed")
    assert "over, allowed" in own_operator.page("/console")
