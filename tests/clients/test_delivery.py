"""Rows by their answers: the retry table of the sender, line by line."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from turnledger._core.values import Answer, State

from tests.clients.exchanges import (
    CREATED,
    NO_ANSWER,
    all_created,
    answer,
    bench,
    refusal,
    rejected,
    results,
)
from tests.clients.outboxes import NOW_MS, body, names, record

HOUR_MS = 3_600_000


def instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def test_records_share_a_request_and_are_gone() -> None:
    it = bench(results(CREATED, {"status": "duplicate", "interaction_id": "int_2"}))
    record(it.outbox, "t1")
    record(it.outbox, "t2")
    assert it.step() == 0
    assert it.outbox.waiting() == 0
    (request,) = it.exchange.requests
    assert (request.method, request.path) == ("POST", "/v1/interactions/batch")
    assert json.loads(request.body or b"")["interactions"][0] == json.loads(body("t1"))
    assert (it.breaker.answers, it.stats.delivered) == (1, 2)


def test_completions_share_a_request_and_carry_their_reservation() -> None:
    it = bench(results(CREATED))
    it.outbox.add("t1", State.COMPLETE, body("t1"), "int_9")
    it.step()
    (request,) = it.exchange.requests
    assert (request.method, request.path) == ("POST", "/v1/turns/completions")
    assert json.loads(request.body or b"") == {
        "completions": [{"interaction_id": "int_9", "turn_id": "t1", "status": "completed"}]
    }
    assert it.outbox.waiting() == 0


@pytest.mark.parametrize("status", [404, 405])
def test_a_ledger_without_batches_of_completions_gets_them_one_by_one(status: int) -> None:
    it = bench(refusal(status, "not_found"), answer(201, {"interaction_id": "int_9"}))
    it.outbox.add("t1", State.COMPLETE, body("t1"), "int_9")
    it.outbox.add("t2", State.COMPLETE, body("t2"), "int_8")
    for _ in range(3):
        assert it.step() == 0
    assert [(each.method, each.path) for each in it.exchange.requests[1:]] == [
        ("PUT", "/v1/turns/int_9"),
        ("PUT", "/v1/turns/int_8"),
    ]
    assert it.outbox.waiting() == 0


def test_cancels_go_first() -> None:
    it = bench(answer(204), all_created)
    record(it.outbox, "t1")
    it.outbox.add("t2", State.CANCEL, "", "int_2")
    it.step()
    it.step()
    assert [each.method for each in it.exchange.requests] == ["DELETE", "POST"]
    assert it.outbox.waiting() == 0


@pytest.mark.parametrize("reply", [refusal(404, "not_found"), refusal(409, "conflict")])
def test_a_cancel_that_comes_too_late_is_done(reply: Answer) -> None:
    it = bench(reply)
    it.outbox.add("t1", State.CANCEL, "", "int_1")
    it.step()
    assert it.outbox.counts().waiting == it.outbox.counts().refused == 0


def test_a_cancel_is_dropped_once_its_hold_has_ended() -> None:
    it = bench(NO_ANSWER)
    it.outbox.add("t1", State.CANCEL, json.dumps({"expires_at": instant(NOW_MS)}), "int_1")
    it.outbox.add("t2", State.CANCEL, "", "int_1")
    it.step()
    assert names(it.outbox) == ["t2"]
    it.clock.now_ms += HOUR_MS
    it.step()
    assert it.outbox.waiting() == 0
    assert it.exchange.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        NO_ANSWER,
        answer(408),
        answer(502, "a page"),
        refusal(500, "internal_error"),
        refusal(503, "service_unavailable"),
        answer(200, "a page"),
        results(),
        answer(302),
    ],
)
def test_without_an_answer_it_waits_twice_as_long_each_time(reply: Answer | Exception) -> None:
    it = bench(reply)
    record(it.outbox, "t1")
    waits = []
    for _ in range(9):
        waits.append(it.step())
        it.seconds += waits[-1]
    most = [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert all(each / 2 <= wait <= each for wait, each in zip(waits, most, strict=True))
    assert it.breaker.misses == 9
    assert names(it.outbox) == ["t1"]


def test_a_rate_limit_is_waited_for_exactly() -> None:
    it = bench(refusal(429, "rate_limit_exceeded", retry_after="7"), all_created)
    record(it.outbox, "t1")
    assert it.step() == 7
    it.seconds = 7
    assert it.step() == 0
    assert it.outbox.waiting() == 0


def test_half_of_the_bucket_is_left_to_foreground_calls() -> None:
    limits = {"x_ratelimit_limit": "5", "x_ratelimit_remaining": "4"}
    it = bench(lambda request: _with(all_created(request), **limits))
    for number in range(600):
        record(it.outbox, f"t{number}")
    # Before the limit is known: 500 turns cost 10 tokens. Afterwards half of the bucket at once.
    assert it.step() == 2
    it.seconds = 2
    it.step()
    assert [len(batch) for batch in it.exchange.turn_ids()] == [500, 100]


def _with(found: Answer, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(found.status, named, found.body)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_stops_it_for_a_minute(status: int, caplog: pytest.LogCaptureFixture) -> None:
    it = bench(refusal(status, "authentication_error"))
    record(it.outbox, "t1")
    assert it.step() == 60
    it.step()
    assert names(it.outbox) == ["t1"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (rejected("validation_error", [{"field": "mode"}]), "400 validation_error mode"),
        (rejected("conflict", {"reason": "other_content"}), "409 other_content"),
        (rejected("conflict", {"reason": "cancelled"}), "409 cancelled"),
        (rejected("quota_exhausted", {"resets_at": None}), "429 quota_exhausted"),
        (
            rejected("quota_exhausted", {"resets_at": instant(NOW_MS + 49 * HOUR_MS)}),
            "429 quota_exhausted",
        ),
    ],
)
def test_a_turn_that_can_never_land_is_kept_with_its_reason(
    reply: dict[str, object], reason: str
) -> None:
    it = bench(results(reply, CREATED))
    record(it.outbox, "t1")
    record(it.outbox, "t2")
    it.step()
    assert it.reasons() == [reason]
    assert [each.turn_id for each in it.reported] == ["t1"]
    assert it.outbox.waiting() == 0


def test_a_recorded_turn_in_conflict_is_delivered() -> None:
    it = bench(results(rejected("conflict", {"reason": "recorded"})))
    record(it.outbox, "t1")
    it.step()
    assert it.outbox.waiting() == 0
    assert it.reasons() == []


@pytest.mark.parametrize(("latency_ms", "reasons"), [(12, []), (13, ["409 conflict"])])
def test_a_conflict_without_a_reason_is_looked_up(latency_ms: int, reasons: list[str]) -> None:
    stored = {"status": "completed", "latency_ms": latency_ms}
    it = bench(results(rejected("conflict")), answer(200, {"data": [stored]}))
    it.outbox.add("t1", State.RECORD, body("t1", latency_ms=11.5))
    it.step()
    assert it.exchange.requests[1].params == {"turn_id": "t1", "limit": "1"}
    assert it.reasons() == reasons
    assert it.outbox.waiting() == 0


def test_a_spent_quota_is_waited_for_if_it_resets_in_time() -> None:
    resets_ms = NOW_MS + 47 * HOUR_MS
    it = bench(results(rejected("quota_exhausted", {"resets_at": instant(resets_ms)})))
    record(it.outbox, "t1")
    it.step()
    assert names(it.outbox, resets_ms - 1) == []
    assert names(it.outbox, resets_ms) == ["t1"]


def test_a_turn_ahead_of_the_ledgers_clock_waits() -> None:
    ledger = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    error = rejected("validation_error", [{"field": "occurred_at"}])
    it = bench(results(error, error, date=format_datetime(ledger, usegmt=True)))
    for name, at_ms in (("old", NOW_MS - 49 * HOUR_MS), ("ahead", NOW_MS + HOUR_MS)):
        it.outbox.add(name, State.RECORD, body(name, occurred_at=instant(at_ms)))
    it.step()
    assert it.reasons() == ["400 validation_error occurred_at"]
    assert names(it.outbox) == []
    assert names(it.outbox, NOW_MS + 60_000) == ["ahead"]


def test_a_batch_that_is_too_large_is_halved_until_one_turn_is_refused_alone() -> None:
    def only_small(request: object) -> Answer:
        content = request.body  # type: ignore[attr-defined]
        return refusal(413, "payload_too_large") if b"huge" in content else all_created(request)  # type: ignore[arg-type]

    it = bench(only_small)
    for name in ("a", "b", "huge", "c", "d"):
        record(it.outbox, name)
    for _ in range(12):
        it.step()
    assert [each.turn_id for each in it.outbox.refused()] == ["huge"]
    assert it.reasons() == ["413 payload_too_large"]
    assert it.outbox.waiting() == 0


def test_a_batch_that_is_refused_as_a_whole_is_halved_too() -> None:
    def only_sound(request: object) -> Answer:
        content = request.body  # type: ignore[attr-defined]
        bad = refusal(400, "validation_error")
        return bad if b"poison" in content else all_created(request)  # type: ignore[arg-type]

    it = bench(only_sound)
    for number in range(20):
        record(it.outbox, "poison" if number == 13 else f"t{number}")
    for _ in range(20):
        it.step()
    assert it.reasons() == ["400 validation_error"]
    assert it.outbox.waiting() == 0


def test_batches_hold_a_mebibyte_at_most() -> None:
    it = bench(all_created)
    for number in range(12):
        it.outbox.add(f"t{number}", State.RECORD, body(f"t{number}", padding="x" * 100_000))
    it.step()
    it.step()
    assert [len(batch) for batch in it.exchange.turn_ids()] == [10, 2]
    assert all(len(each.body or b"") <= 1 << 20 for each in it.exchange.requests)


def test_one_failed_turn_of_a_batch_is_sent_again() -> None:
    it = bench(results(rejected("service_unavailable"), CREATED), all_created)
    record(it.outbox, "t1")
    record(it.outbox, "t2")
    assert 0.25 <= it.step() <= 0.5
    assert names(it.outbox) == ["t1"]


def test_a_wrong_address_refuses_nothing() -> None:
    it = bench(answer(404, "a page"))
    record(it.outbox, "t1")
    assert it.step() == 60
    assert names(it.outbox) == ["t1"]


def test_a_failing_callback_costs_nothing() -> None:
    it = bench(results(rejected("validation_error")))
    it.delivery._on_refused = lambda _: 1 / 0  # type: ignore[assignment, return-value]
    record(it.outbox, "t1")
    it.step()
    assert it.reasons() == ["400 validation_error"]
    assert (it.stats.refused, it.stats.wrapper_errors) == (1, 1)
