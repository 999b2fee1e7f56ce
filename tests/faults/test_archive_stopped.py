"""The archive is stopped for ten days: this is visible, nothing is lost, it catches up."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from tests.callers import Caller, Clock, new_caller, readiness
from tests.servers import OPERATOR_TOKEN, wait_until
from tests.turns import DAY_MS, at

DAYS_COUNT = 10
# So old that a turn may be deleted once it is archived, and raises an alert until then.
OLD_MS = 195 * DAY_MS
DELETED_WITHIN_S = 30


def usage(caller: Caller, clock: Clock) -> list[int]:
    """Return the turns of each day since the oldest, from `/v1/usage`."""
    first_ms = (clock.now_ms - OLD_MS) // DAY_MS * DAY_MS - DAYS_COUNT * DAY_MS
    span = {"from": format_ms(first_ms), "to": format_ms(clock.now_ms // DAY_MS * DAY_MS + DAY_MS)}
    answer = caller("GET", "/v1/usage/turns", query_string=span)
    assert answer.status_code == 200, answer.text
    return [day["total_turns"] for day in answer.get_json()["data"]]


def shown(app: Flask) -> tuple[int, int, dict[str, float]]:
    """Return lag in seconds and over-retained turns of `/readyz`, and both metrics."""
    client = app.test_client()
    archive = readiness(app).get_json()["archive"]
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    lines = client.get("/metrics", headers=headers).text.splitlines()
    names = ("turnledger_archive_lag_seconds", "turnledger_over_retained_turns")
    gauges = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith(names)}
    return archive["lag_s"], archive["over_retained_turns"], gauges


def expiry_passes(app: Flask) -> int:
    """Return how often the database has run its expiry pass."""
    with app.app_context():
        status = provided(Backend).database.command("serverStatus")
    return int(status["metrics"]["ttl"]["passes"])


def run(app: Flask) -> None:
    typed = app.test_cli_runner().invoke(args=["archive", "run"])
    assert typed.exit_code == 0, typed.output


def test_ten_days_without_an_archive_are_visible_and_caught_up_without_loss(
    live_app: Flask, report_figures: Callable[..., None]
) -> None:
    caller, clock = new_caller(live_app), Clock(live_app)
    run(live_app)
    for day in range(1, DAYS_COUNT + 1):
        clock.move(s=86_400)
        turns: list[Any] = [at(clock.now_ms - age_ms) for age_ms in (0, OLD_MS) for _ in range(day)]
        caller.import_(turns, recorded_at_us=clock.now_us)
    counts = usage(caller, clock)
    accepted_count = DAYS_COUNT * (DAYS_COUNT + 1)
    passes = expiry_passes(live_app)
    wait_until(lambda: expiry_passes(live_app) >= passes + 2, DELETED_WITHIN_S)

    assert caller.rows_count() == sum(counts) == accepted_count
    lag_s, over_retained_count, gauges = shown(live_app)
    assert (lag_s, over_retained_count) == (DAYS_COUNT * 86_400, accepted_count // 2)
    assert list(gauges.values()) == [lag_s, over_retained_count]

    run(live_app)
    wait_until(lambda: caller.rows_count() == accepted_count // 2, DELETED_WITHIN_S)

    assert usage(caller, clock) == counts
    after = shown(live_app)
    assert after[:2] == (0, 0)
    assert set(after[2].values()) == {0}
    report_figures(accepted=accepted_count, lag_s=lag_s, over_retained=over_retained_count)
