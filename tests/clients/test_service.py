"""Send an outbox to the service itself: what it answers decides the fate of each row."""

import json
from pathlib import Path

import pytest
from flask import Flask
from turnledger._core.counters import Counters
from turnledger._core.values import Account, Answer, Request, State
from turnledger._outbox.delivery import Delivery
from turnledger._outbox.store import Outbox

from tests.callers import Caller, new_caller, reserve
from tests.clients.exchanges import CountingBreaker
from tests.forks import in_child
from tests.turns import DAY_MS, Body, at, body, now_ms

# Python 3.12 warns of each fork beside a thread; forks are what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class Sent:
    """Hold an outbox whose requests the application answers."""

    def __init__(self, caller: Caller, path: Path) -> None:
        self.caller = caller
        self.requests: list[str] = []
        self.outbox = Outbox(
            path,
            Account("http://ledger.test", caller.token[-16:]),
            max_turns=2_000,
            fsync=False,
            now_ms=now_ms,
        )
        self.delivery = Delivery(
            self.outbox,
            self.exchange,
            breaker=CountingBreaker(),
            on_refused=None,
            stats=Counters(),
            now_ms=now_ms,
        )

    def exchange(self, request: Request, timeout_s: float) -> Answer:
        self.requests.append(f"{request.method} {request.path}")
        got = self.caller(
            request.method,
            request.path,
            data=request.body,
            query_string=dict(request.params or {}),
            headers={"Content-Type": "application/json"},
        )
        headers = {name.lower(): value for name, value in got.headers.items()}
        return Answer(got.status_code, headers, got.data)

    def add(self, payload: Body, state: State = State.RECORD, id_: str | None = None) -> None:
        self.outbox.add(str(payload["turn_id"]), state, json.dumps(payload), id_)

    def send(self) -> None:
        for _ in range(50):
            if not self.delivery.step(10.0):
                return

    def reasons(self) -> list[str]:
        return [each.reason for each in self.outbox.refused()]


@pytest.fixture
def sent(memory_app: Flask, tmp_path: Path) -> Sent:
    return Sent(new_caller(memory_app), tmp_path / "outbox.db")


def reserved(caller: Caller, turn: Body) -> str:
    asked = {name: turn[name] for name in ("turn_id", "mode", "personality_id")}
    id_: str = reserve(caller, asked).get_json()["interaction_id"]
    return id_


def test_turns_are_recorded_completed_and_cancelled(sent: Sent) -> None:
    plain, held, freed = body(), body(), body()
    sent.add(plain)
    completed_id, cancelled_id = reserved(sent.caller, held), reserved(sent.caller, freed)
    del held["occurred_at"]
    sent.add(held, State.COMPLETE, completed_id)
    sent.outbox.add(str(freed["turn_id"]), State.CANCEL, "", cancelled_id)
    sent.send()
    assert sent.outbox.waiting() == 0
    assert sent.reasons() == []
    ids = {item["interaction_id"] for item in sent.caller.list_all()}
    assert len(ids) == 2
    assert completed_id in ids
    assert f"DELETE /v1/turns/{cancelled_id}" in sent.requests


def test_turns_whose_answer_was_lost_are_stored_once(sent: Sent) -> None:
    plain, held = body(), body()
    id_ = reserved(sent.caller, held)
    del held["occurred_at"]
    for _ in range(2):
        sent.add(plain)
        sent.add(held, State.COMPLETE, id_)
        sent.send()
    assert sent.outbox.waiting() == 0
    assert sent.reasons() == []
    assert len(sent.caller.list_all()) == 2


def test_other_content_under_a_turn_id_is_refused(sent: Sent) -> None:
    plain, held = body(), body()
    id_ = reserved(sent.caller, held)
    del held["occurred_at"]
    for latency_ms in (1, 2):
        sent.add(plain | {"latency_ms": latency_ms})
        sent.add(held | {"latency_ms": latency_ms}, State.COMPLETE, id_)
        sent.send()
    assert sent.outbox.waiting() == 0
    assert [reason[:4] for reason in sent.reasons()] == ["409 ", "409 "]


def test_a_completion_of_a_cancelled_reservation_is_refused(sent: Sent) -> None:
    held = body()
    id_ = reserved(sent.caller, held)
    sent.caller("DELETE", f"/v1/turns/{id_}")
    del held["occurred_at"]
    sent.add(held, State.COMPLETE, id_)
    sent.send()
    assert sent.outbox.waiting() == 0
    assert sent.reasons()[0].startswith("409 ")


def test_turns_that_are_invalid_or_too_old_are_refused_and_others_stored(sent: Sent) -> None:
    sent.add(body(occurred_at=at(now_ms() - 3 * DAY_MS)))
    sent.add(body(status="broken"))
    sent.add(body())
    sent.send()
    assert sent.reasons() == ["400 validation_error occurred_at", "400 validation_error status"]
    assert len(sent.caller.list_all()) == 1


def test_a_spent_quota_refuses_what_it_cannot_take_within_two_days(
    memory_app: Flask, tmp_path: Path
) -> None:
    sent = Sent(new_caller(memory_app, "pro", turns=1), tmp_path / "outbox.db")
    sent.add(body())
    sent.add(body())
    sent.send()
    # The organization's first period ends in a month.
    assert sent.reasons() == ["429 quota_exhausted"]
    assert len(sent.caller.list_all()) == 1


def test_the_organization_of_a_key_is_known(sent: Sent) -> None:
    assert sent.delivery.identify(10.0)
    assert not sent.outbox.needs_identity()
    assert not sent.delivery.identify(10.0)
    assert sent.requests == ["GET /v1/me"]


def test_five_hundred_turns_are_one_request(sent: Sent) -> None:
    for _ in range(501):
        sent.add(body())
    sent.send()
    assert len(sent.requests) == 2
    assert len(sent.caller.list_all()) == 501


def test_what_a_dead_process_left_open_is_recorded_as_lost(sent: Sent) -> None:
    lost = body(status="failed", error_code="producer_lost")
    held = body(status="failed", error_code="producer_lost")
    id_ = reserved(sent.caller, held)
    del held["occurred_at"]

    def open_both() -> None:
        sent.outbox.open(str(lost["turn_id"]), json.dumps(lost))
        sent.outbox.open(str(held["turn_id"]), json.dumps(held), id_)

    assert in_child(open_both) == 0
    assert sent.outbox.take_over() == 2
    sent.send()
    stored = sent.caller.list_all()
    assert [item["error_code"] for item in stored] == ["producer_lost"] * 2
    assert id_ in {item["interaction_id"] for item in stored}
