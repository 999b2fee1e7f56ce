"""One pass of the worker, on each kind of store."""

import pytest
from flask import Flask

from app.http.application import provided
from app.interactions.recording import MAX_AHEAD_MS
from app.reservations.limits import OLDEST_RESERVATION_MS
from app.usage.archive import Archived
from app.usage.archive_pass import ArchivePass
from app.usage.freezing import SETTLED_US
from app.usage.health import ArchiveHealth, Health, Waiting
from app.worker.stop import Stopped
from tests.callers import Clock, new_caller
from tests.turns import DAY_MS, at, stateful


def test_a_sweep_archives_freezes_and_leaves_no_lag(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    period = caller.quota_period
    when = at(clock.now_ms)["occurred_at"]
    assert caller.record(stateful(occurred_at=when)).status_code == 201
    caller.import_([at(clock.now_ms - 150 * DAY_MS)], recorded_at_us=clock.now_us)
    with app.app_context():
        archive_pass, health = provided(ArchivePass), provided(ArchiveHealth)
        clock.move(s=60.5)
        assert health.measure() == Health(lag_s=60, sweep_age_s=None, over_retained_turns=0)
        assert [day.turns for day in health.list_waiting()] == [1, 1]
        assert {day.account for day in health.list_waiting()} == {caller.account}

        assert archive_pass.run() == Archived(turns=2, days=2)

        assert health.measure() == Health(lag_s=0, sweep_age_s=0, over_retained_turns=0)
        assert health.list_waiting() == []
        clock.move(s=40 * 86_400)
        assert archive_pass.run() == Archived()
        frozen = health._store.frozen_periods(caller.account)
    assert period in frozen


def test_a_sweep_by_a_clock_that_was_ahead_hides_nothing_for_long(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    with app.app_context():
        archive_pass, health = provided(ArchivePass), provided(ArchiveHealth)
        clock.move(s=86_400)
        archive_pass.run()
        clock.move(s=-86_400)
        archive_pass.run()
        caller.import_([at(clock.now_ms)], recorded_at_us=clock.now_us)
        clock.move(s=30)
        assert health.measure().lag_s == 30


@pytest.mark.parametrize(("more_s", "alarms"), [(1_800, 0), (2 * 3_600, 1)])
def test_a_turn_has_an_hour_to_go_before_it_is_kept_too_long(
    app: Flask, more_s: int, alarms: int
) -> None:
    caller, clock = new_caller(app), Clock(app)
    caller.import_([at(clock.now_ms - 181 * DAY_MS - more_s * 1_000)])
    with app.app_context():
        assert provided(ArchiveHealth).measure().over_retained_turns == alarms


def test_a_pass_that_is_stopped_ends_between_two_batches(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, clock = new_caller(app), Clock(app)
    caller.import_([at(clock.now_ms) for _ in range(5)])

    def stop(turns: int) -> None:
        raise Stopped

    with app.app_context():
        archive_pass, health = provided(ArchivePass), provided(ArchiveHealth)
        monkeypatch.setattr(archive_pass._archiver, "_batch_count", 2)
        with pytest.raises(Stopped):
            archive_pass.run(stop)
        assert [day.turns for day in health.list_waiting()] == [3]
        assert archive_pass.run() == Archived(turns=3, days=1)


def test_a_period_is_frozen_after_its_last_reservation_may_be_completed() -> None:
    assert SETTLED_US > OLDEST_RESERVATION_MS * 1_000 + MAX_AHEAD_MS * 1_000


def test_the_lag_is_counted_from_the_last_sweep(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    with app.app_context():
        archive_pass, health = provided(ArchivePass), provided(ArchiveHealth)
        archive_pass.run()
        clock.move(s=300)
        turn = at(clock.now_ms)
        caller.import_([turn], recorded_at_us=clock.now_us)
        clock.move(s=7)

        assert health.measure() == Health(lag_s=307, sweep_age_s=307, over_retained_turns=0)
        (waiting,) = health.list_waiting()
    assert waiting == Waiting(caller.account, turn["occurred_at"][:10], 1)
