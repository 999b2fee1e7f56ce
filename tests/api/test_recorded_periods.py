"""Every row was recorded within the period that it is charged to, or in a documented case.

The cases are those of `docs/operate/quota.md`, "Count a period in the ledger".
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import fakeredis
import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from app.interactions.ids import TurnKeys, instant_ms, turn_key
from app.tenancy.periods import Period, period_at
from tests.callers import TURNS, Clock, new_caller, reconcile, reserve
from tests.servers import ID_KEY
from tests.turns import body, reservation

pytestmark = pytest.mark.slow  # seconds of work

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
STEPS = 60
SEEDS = range(4)


@dataclass
class Run:
    """Runs random operations of one organization around the end of a billing period."""

    app: Flask
    seed: int
    may_step_back: bool = False
    held: list[tuple[str, str]] = field(default_factory=list)
    completed: set[str] = field(default_factory=set)
    # By turn key: the clock at the turn's call, and its latest reading before.
    readings: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 (a seed repeats the run)
        self.caller = new_caller(self.app, requests_per_second=1_000, burst=2_000)
        self.clock = Clock(self.app)
        self.signed_up_on = self.caller.organization.signed_up_on
        self.end_us = period_at(self.signed_up_on, self.clock.now_us).end_us
        self.clock.move(us=self.end_us - self.clock.now_us - 5 * SECOND_US)
        self.latest_us = self.clock.now_us
        with self.app.app_context():
            backend = provided(Backend)
        self.redis = backend.redis
        self.rows = backend.database["interactions"]
        server: Any = self.redis.connection_pool.connection_kwargs["server"]
        assert isinstance(server, fakeredis.FakeServer)
        self.server = server

    def go(self) -> None:
        actions = [self.record, self.batch, self.reserve, self.complete, self.complete]
        actions += [self.move, self.move, self.break_redis, self.empty_redis, self.reconcile]
        self.record()
        for _ in range(8):
            self.reserve()
        for _ in range(STEPS):
            self.random.choice(actions)()

    def note(self, turn_id: str) -> None:
        key = turn_key(TurnKeys(ID_KEY).ulid(self.caller.account, turn_id, 0))
        self.readings.setdefault(key, (self.clock.now_us, self.latest_us))

    def new_turn(self) -> dict[str, Any]:
        turn = body(occurred_at=format_ms(self.clock.now_ms))
        self.note(turn["turn_id"])
        return turn

    def record(self) -> None:
        turn = self.new_turn()
        assert self.caller.record(turn).status_code == 201

    def batch(self) -> None:
        assert self.caller.record_batch([self.new_turn() for _ in range(40)]).status_code == 200

    def reserve(self) -> None:
        turn = reservation(hold_seconds=self.random.choice([30, 600, 3_600]))
        answer = reserve(self.caller, turn)
        assert answer.status_code == 201, answer.text
        self.held.append((turn["turn_id"], answer.get_json()["interaction_id"]))

    def complete(self) -> None:
        if not self.held:
            return
        turn_id, interaction_id = self.held.pop(self.random.randrange(len(self.held)))
        self.note(turn_id)
        turn = body(turn_id=turn_id)
        del turn["occurred_at"]
        answer = self.caller("PUT", f"{TURNS}/{interaction_id}", json=turn)
        assert answer.status_code in {200, 201}, answer.text
        self.completed.add(interaction_id.removeprefix("int_"))

    def move(self) -> None:
        """Move the clock: forward, to the period's last microsecond, or back."""
        near_us = self.end_us - self.clock.now_us - 1
        if self.may_step_back and self.random.random() < 0.3:
            self.clock.move(us=-self.random.choice([1, SECOND_US, 60 * SECOND_US]))
        elif near_us > 0 and self.random.random() < 0.3:
            self.clock.move(us=near_us)
        else:
            self.clock.move(us=self.random.choice([1, 1_000, SECOND_US, HOUR_US // 4]))
        self.latest_us = max(self.latest_us, self.clock.now_us)

    def break_redis(self) -> None:
        self.server.connected = not self.server.connected

    def empty_redis(self) -> None:
        if self.server.connected:
            self.redis.flushall()

    def reconcile(self) -> None:
        if self.server.connected:
            reconcile(self.app)

    def cases(self) -> Counter[str]:
        """Count the rows of each case."""
        return Counter(self.case(row) for row in self.rows.find())

    def case(self, row: dict[str, Any]) -> str:
        period, recorded_at = self.period_of(row), row["recorded_at"]
        if period.start_us <= recorded_at < period.end_us:
            return "inside"
        reserved_at_us = instant_ms(row["_id"]) * 1_000
        was_held_then = period.start_us <= reserved_at_us < period.end_us
        if row["_id"] in self.completed and was_held_then and recorded_at >= period.end_us:
            return "completed later"
        now_us, latest_us = self.reading_of(row)
        if now_us < period.end_us <= recorded_at <= now_us + self.rows.count_documents({}):
            return "last microseconds"
        return "clock stepped back" if now_us < latest_us else f"unexplained: {row}"

    def period_of(self, row: dict[str, Any]) -> Period:
        return next(
            period
            for period in (period_at(self.signed_up_on, self.end_us - 1 + n) for n in (0, 1))
            if period.label == row["quota_period"]
        )

    def reading_of(self, row: dict[str, Any]) -> tuple[int, int]:
        return self.readings[row["turn_key"]]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_row_lies_in_its_period_or_in_a_documented_case(memory_app: Flask, seed: int) -> None:
    run = Run(memory_app, seed)
    run.go()

    found = run.cases()

    assert set(found) <= {"inside", "completed later", "last microseconds"}
    assert found["inside"]
    assert found["completed later"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_row_after_a_step_back_of_the_clock_is_a_documented_case(
    memory_app: Flask, seed: int
) -> None:
    run = Run(memory_app, seed, may_step_back=True)
    run.go()

    names = {"inside", "completed later", "last microseconds", "clock stepped back"}
    assert set(run.cases()) <= names


def test_a_batch_may_run_beyond_the_last_microsecond_of_its_period(memory_app: Flask) -> None:
    run = Run(memory_app, 0)
    run.clock.move(us=run.end_us - run.clock.now_us - 1)

    run.batch()

    assert run.cases() == {"last microseconds": 40}
    assert {row["quota_period"] for row in run.rows.find()} == {
        period_at(run.signed_up_on, run.end_us - 1).label
    }


def test_a_clock_that_steps_back_over_the_boundary_does_not_repeat_an_instant(
    memory_app: Flask,
) -> None:
    run = Run(memory_app, 0, may_step_back=True)
    run.reserve()
    run.clock.move(s=10)
    run.latest_us = run.clock.now_us
    run.complete()
    run.clock.move(s=-7)

    run.record()

    assert run.cases() == {"completed later": 1, "clock stepped back": 1}
    completed, recorded = sorted(run.rows.find(), key=lambda row: row["recorded_at"])
    assert completed["recorded_at"] < recorded["recorded_at"]
    assert completed["quota_period"] == recorded["quota_period"]
