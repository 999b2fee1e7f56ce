"""Duplicates that arrive after the replay cache has dropped their charge: they cost nothing."""

from typing import Any

from tests.api.conftest import NewCaller
from tests.callers import LIST, Clock, error_of
from tests.turns import at

# A charge stays in the replay cache for 300 s.
DROPPED_S = 301


def statuses(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [result["status"] for result in answer.get_json()["results"]]


def test_the_headers_of_a_late_duplicate_show_the_corrected_usage(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free")
    payload = at(clock.now_ms)
    caller.record(payload)
    clock.move(s=DROPPED_S)

    answer = caller.record(payload)

    assert answer.status_code == 200
    assert answer.headers["X-Quota-Turns-Used"] == "1"
    assert caller.counters()["turns_used"] == 1


def test_late_duplicates_take_no_quota_from_new_turns_in_their_batch(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=10)
    payloads = [at(clock.now_ms) for _ in range(6)]
    caller.record_batch(payloads)
    clock.move(s=DROPPED_S)

    answer = caller.record_batch([*payloads, *(at(clock.now_ms) for _ in range(5))])

    assert statuses(answer) == ["duplicate"] * 6 + ["created"] * 4 + ["rejected"]
    assert answer.headers["X-Quota-Turns-Used"] == "10"
    assert caller.counters()["turns_used"] == caller.rows_count() == 10


def test_a_batch_of_one_behind_an_empty_bucket_is_429(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", requests_per_second=1, burst=1, turns=0)
    assert caller.record(at(clock.now_ms)).status_code == 429

    answer = caller.record_batch([at(clock.now_ms)])

    assert (answer.status_code, error_of(answer)["code"]) == (429, "quota_exhausted")
    assert int(answer.headers["Retry-After"]) > 1


def test_an_element_lists_only_its_first_field_errors(tenant: NewCaller) -> None:
    caller = tenant("free")

    answer = caller(
        "POST", f"{LIST}/batch", json={"interactions": [{f"x{n}": n for n in range(60)}]}
    )

    (result,) = answer.get_json()["results"]
    codes = [error["code"] for error in result["error"]["details"]]
    assert (len(codes), codes[-1]) == (6, "more")
    assert answer.headers["X-Quota-Turns-Used"] == "0"


def test_a_key_expires_by_redis_clock(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free")
    made = caller("POST", "/v1/api-keys", json={"scope": "read", "expires_in_days": 1})
    headers = {"Authorization": f"Bearer {made.get_json()['key']}"}
    clock.move(s=86_399)
    before = caller("GET", "/v1/me", headers=headers)
    clock.move(s=2)

    after = caller("GET", "/v1/me", headers=headers)

    assert (before.status_code, after.status_code) == (200, 401)
    assert error_of(after)["code"] == "token_expired"
    assert before.headers["Cache-Control"] == "no-store"
