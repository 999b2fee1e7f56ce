"""The end of an export: one line in the log, counters, and no trailer unless it is complete."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from pymongo.errors import AutoReconnect, ExecutionTimeout
from werkzeug.test import TestResponse

from app.backends.backend import Backend
from app.http.application import provided
from app.interactions import export_stream
from app.interactions.export import Exports
from app.interactions.store import InteractionStore
from app.serving.pipes import StreamBroken
from app.tenancy.api_keys import ApiKeys
from app.tenancy.key_search import KeySearch
from app.tenancy.service import Organizations
from tests.api.in_flight import counts
from tests.api.test_access import age_identities
from tests.api.test_metrics import counted, samples
from tests.callers import LIST, Caller, error_of, new_caller
from tests.exports import CSV, NDJSON, export
from tests.turns import body

Logged = Callable[[], list[dict[str, Any]]]
TURNS_COUNT = 7
BATCH_COUNT = 3


@pytest.fixture
def caller(memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """An organization with turns for three batches."""
    monkeypatch.setattr("app.interactions.export.BATCH_COUNT", BATCH_COUNT)
    caller = new_caller(memory_app)
    caller.import_([body() for _ in range(TURNS_COUNT)])
    return caller


@pytest.fixture
def logged(caller: Caller, capsys: pytest.CaptureFixture[str]) -> Logged:
    """A function that returns the lines since its last call, except those of requests."""
    capsys.readouterr()

    def lines() -> list[dict[str, Any]]:
        read = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line for line in read if line["event"] != "request"]

    return lines


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception) -> None:
    """Raise `error` in place of the scan of this number, from 1 on."""
    scan, numbers = InteractionStore.scan, iter(range(1, 1_000))

    def fail(store: InteractionStore, *arguments: Any) -> Any:
        if next(numbers) == number:
            raise error
        return scan(store, *arguments)

    monkeypatch.setattr(InteractionStore, "scan", fail)


def read_broken(answer: TestResponse) -> bytes:
    """Return what arrives of an export that breaks off."""
    received: list[bytes] = []
    with pytest.raises(StreamBroken):
        received.extend(answer.iter_encoded())
    answer.close()
    assert b"trailer" not in b"".join(received)
    return b"".join(received)


@pytest.mark.parametrize("form", [NDJSON, CSV])
def test_a_complete_export_is_one_line(caller: Caller, logged: Logged, form: str) -> None:
    answer = export(caller, form)
    data = answer.data
    assert logged() == []

    answer.close()
    answer.close()

    (line,) = logged()
    assert line.pop("durationMs") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "export",
        "level": "info",
        "requestId": answer.headers["X-Request-Id"],
        "organization": caller.organization.id,
        "mediaType": form,
        "outcome": "complete",
        "rows": TURNS_COUNT,
        "bytes": len(data),
        "reason": None,
    }


def test_exports_are_counted_by_outcome_and_turns(
    caller: Caller, memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = samples(memory_app)
    complete = export(caller)
    assert complete.data
    complete.close()
    export(caller).close()
    fail_at(monkeypatch, 2, AutoReconnect("an outage"))
    read_broken(export(caller))

    exports = counted(memory_app, before, "turnledger_exports_total")
    turns = counted(memory_app, before, "turnledger_exported_turns_total")

    assert exports == {"complete": 1, "aborted": 1, "failed": 1}
    # The test client takes the first chunk of each.
    assert turns == {"complete": TURNS_COUNT, "aborted": BATCH_COUNT, "failed": BATCH_COUNT}


def test_an_export_that_its_client_leaves_is_aborted(caller: Caller, logged: Logged) -> None:
    answer = export(caller)
    chunks = answer.iter_encoded()
    next(chunks)

    answer.close()

    (line,) = logged()
    assert (line["outcome"], line["rows"], line["level"]) == ("aborted", BATCH_COUNT, "info")


def test_a_trailer_that_was_not_taken_is_no_complete_export(caller: Caller, logged: Logged) -> None:
    answer = export(caller)
    chunks = answer.iter_encoded()
    while b"trailer" not in next(chunks):
        pass

    answer.close()

    assert logged()[0]["outcome"] == "aborted"


def test_an_export_beyond_its_time_breaks_off(
    caller: Caller, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = export(caller)  # the test client takes the first chunk
    monkeypatch.setattr(export_stream, "STREAM_S", -1)

    assert read_broken(answer).count(b"\n") == BATCH_COUNT

    (line,) = logged()
    assert (line["outcome"], line["rows"]) == ("timeout", BATCH_COUNT)


@pytest.mark.parametrize("number", [2, 3])
def test_an_outage_breaks_an_export_off_and_is_counted(
    caller: Caller, logged: Logged, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fail_at(monkeypatch, number, AutoReconnect("mongodb://user:secret@host"))
    failures: list[Any] = []
    with caller.app.app_context():
        breaker = provided(Backend).mongodb_breaker
    monkeypatch.setattr(breaker, "note_failure", lambda: failures.append(1))

    received = read_broken(export(caller))

    assert received.count(b"\n") == BATCH_COUNT * (number - 1)
    (line,) = logged()
    assert (line["outcome"], line["level"]) == ("failed", "warning")
    assert line["rows"] == BATCH_COUNT * (number - 1)
    assert line["reason"]
    assert "secret" not in str(line)
    assert len(failures) == 1


@pytest.mark.parametrize("change", ["revoke", "suspend"])
def test_a_key_that_may_read_no_more_ends_its_export(
    caller: Caller, logged: Logged, change: str
) -> None:
    key_id = caller("GET", "/v1/me").get_json()["key_id"]
    answer = export(caller)  # the test client takes the first chunk
    with caller.app.app_context():
        if change == "revoke":
            provided(ApiKeys).revoke_found(provided(KeySearch).find(key_id))
        else:
            provided(Organizations).suspend(caller.organization.id)
    age_identities(caller.app, seconds=5)

    received = read_broken(answer)

    assert received.count(b"\n") == BATCH_COUNT
    (line,) = logged()
    assert (line["outcome"], line["rows"]) == ("failed", BATCH_COUNT)
    assert ("revoked" if change == "revoke" else "suspended") in line["reason"]
    assert caller.token not in str(line)


def test_a_slow_read_breaks_an_export_off_and_opens_no_breaker(
    caller: Caller, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 2, ExecutionTimeout("too long"))
    with caller.app.app_context():
        breaker = provided(Backend).mongodb_breaker
    monkeypatch.setattr(breaker, "note_failure", pytest.fail)

    read_broken(export(caller))

    assert logged()[0]["outcome"] == "failed"


def test_a_fault_of_ours_is_logged_with_its_line_and_without_its_message(
    caller: Caller, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 2, ValueError("a secret"))
    answer = export(caller)

    read_broken(answer)

    fault, line = logged()
    assert (line["outcome"], line["reason"]) == ("failed", "ValueError")
    assert (fault["event"], fault["level"]) == ("unexpected_error", "error")
    assert fault["requestId"] == answer.headers["X-Request-Id"]
    assert fault["organization"] == caller.organization.id
    assert "fail" in fault["at"][-1]
    assert "secret" not in str([fault, line])


def test_an_outage_before_the_first_turn_is_a_503(
    caller: Caller, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 1, AutoReconnect("an outage"))

    answer = export(caller)

    assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
    assert [line["event"] for line in logged()] == ["store_unavailable"]


@pytest.mark.parametrize(("method", "query"), [("HEAD", {}), ("GET", {"limit": "1"})])
def test_an_answer_without_a_stream_is_no_export(
    caller: Caller, logged: Logged, method: str, query: dict[str, str]
) -> None:
    caller(method, LIST, query_string=query, headers={"Accept": NDJSON}).close()

    assert logged() == []


def test_each_read_of_a_batch_has_a_time_limit_of_its_own(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caller.app.app_context():
        exports = provided(Exports)
    limits, bounded = [], exports._bounded

    def count() -> Any:
        limits.append(1)
        return bounded()

    monkeypatch.setattr(exports, "_bounded", count)
    answer = export(caller)
    assert answer.data
    answer.close()

    assert len(limits) == 3


def test_an_export_is_heavy_until_it_is_closed_and_a_page_is_not(caller: Caller) -> None:
    answers = [export(caller) for _ in range(2)]
    assert counts(caller.app) == {caller.organization.id: [2, 2]}

    refused = export(caller, CSV)

    assert refused.status_code == 429
    assert error_of(refused)["details"]["component"] == "concurrency"
    assert "exports" in error_of(refused)["message"]
    assert caller.list_().status_code == 200
    for answer in answers:
        answer.close()
    assert counts(caller.app) == {}
    assert export(caller).data
