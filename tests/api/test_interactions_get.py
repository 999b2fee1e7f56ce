"""`GET /v1/interactions/{interaction_id}`: the item, or a 404 that is the same for every reason."""

import re

import pytest

from app.http.instants import format_ms
from app.tenancy.model import Environment, Scope
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, Clock
from tests.turns import DAY_MS, at, body, stateful, whole

ULID_CHARACTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def get(caller: Caller, interaction_id: str) -> tuple[int, bytes]:
    """Return status and body, without the request id."""
    answer = caller("GET", f"{LIST}/{interaction_id}")
    return answer.status_code, re.sub(rb'"request_id":"\w{26}"', b"", answer.data)


@pytest.mark.parametrize("make", [body, stateful, whole])
def test_a_turn_is_returned_as_it_was_recorded(caller: Caller, make: type) -> None:
    made = caller.record(make())
    interaction_id = made.get_json()["interaction_id"]

    answer = caller("GET", f"{LIST}/{interaction_id}")

    assert (answer.status_code, answer.data) == (200, made.data)
    assert caller.page()["data"] == [made.get_json()]


def test_foreign_expired_and_unknown_ids_are_the_same_404_byte_for_byte(
    caller: Caller, tenant: NewCaller, clock: Clock
) -> None:
    stranger = tenant()
    sandbox = tenant(of=caller.organization, environment=Environment.TEST)
    foreign, elsewhere, own = (
        made_by.record(at(clock.now_ms)).get_json()["interaction_id"]
        for made_by in (stranger, sandbox, caller)
    )
    caller.import_([at(clock.now_ms - 180 * DAY_MS)])
    aged = caller.page()["data"][-1]["interaction_id"]
    assert get(caller, aged)[0] == 200
    clock.move(ms=1)

    absent = get(caller, own[:-1] + ("0" if own[-1] != "0" else "1"))

    assert absent[0] == 404
    assert b'"code":"not_found"' in absent[1]
    assert {get(caller, other) for other in (foreign, elsewhere, aged)} == {absent}
    assert get(stranger, foreign)[0] == get(sandbox, elsewhere)[0] == 200


@pytest.mark.parametrize(
    "strange",
    [
        "int_",
        "int_" + "0" * 25,
        "int_" + "0" * 27,
        "int_" + "8" + "0" * 25,
        "int_" + "I" * 26,
        "INT_" + "0" * 26,
        "0" * 26,
        "turn-1",
        "%24ne",
        "%00",
        "int_%0A",
        "%C3%A9",
        "%FF",
        "a" * 2_000,
        "..",
    ],
)
def test_a_malformed_id_is_the_same_404(caller: Caller, strange: str) -> None:
    absent = get(caller, "int_01ARZ3NDEKTSV4RRFFQ69G5FAV")

    assert get(caller, strange) == absent


def test_an_id_in_lower_case_is_not_found(caller: Caller) -> None:
    interaction_id = caller.record(body()).get_json()["interaction_id"]

    assert get(caller, interaction_id.lower())[0] == 404
    assert get(caller, interaction_id)[0] == 200


def test_an_id_contains_the_instant_of_its_turn(caller: Caller, clock: Clock) -> None:
    instants = [clock.now_ms - offset for offset in (0, 1, 999, 47 * 3_600_000)]
    items = [caller.record(at(instant)).get_json() for instant in instants]

    for instant, item in zip(instants, items, strict=True):
        digits = [ULID_CHARACTERS.index(digit) for digit in item["interaction_id"][4:14]]
        assert sum(digit * 32**power for power, digit in enumerate(reversed(digits))) == instant
        assert item["created_at"] == format_ms(instant)


def test_the_same_turn_id_is_another_id_in_another_account(
    caller: Caller, tenant: NewCaller
) -> None:
    payload = body()
    sandbox = tenant(of=caller.organization, environment=Environment.TEST)

    ids = {made_by.record(payload).get_json()["interaction_id"] for made_by in (caller, sandbox)}
    ids.add(tenant().record(payload).get_json()["interaction_id"])

    assert len(ids) == 3
    assert len({interaction_id[:14] for interaction_id in ids}) == 1


@pytest.mark.parametrize("query", ["colour=red", "limit=5", "user_id=u_1", "x"])
def test_a_request_for_one_turn_takes_no_parameters(caller: Caller, query: str) -> None:
    interaction_id = caller.record(body()).get_json()["interaction_id"]

    assert caller("GET", f"{LIST}/{interaction_id}?{query}").status_code == 400


def test_a_key_with_scope_read_may_read(tenant: NewCaller, caller: Caller) -> None:
    interaction_id = caller.record(body()).get_json()["interaction_id"]

    assert get(tenant(of=caller.organization, scope=Scope.READ), interaction_id)[0] == 200
