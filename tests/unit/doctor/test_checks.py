"""Checks of the doctor that need no real server."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from app.doctor.background import check_request_log, check_worker
from app.doctor.clocks import ClockCheck
from app.doctor.findings import Finding, State, contained
from app.doctor.process import check_hops, check_settings
from app.doctor.stores import _eviction
from app.usage.health import Health
from tests.servers import settings_for

NOW_S = 1_800_000_000.0


def health(**changes: Any) -> Any:
    values: dict[str, Any] = {"lag_s": 0, "sweep_age_s": 5, "over_retained_turns": 0}
    return SimpleNamespace(measure=lambda: Health(**(values | changes)))


def states(**changes: Any) -> dict[str, State]:
    return {found.check: found.state for found in check_worker(health(**changes))}


@pytest.mark.parametrize(
    ("age_s", "state"),
    [(None, State.BAD), (5, State.OK), (180, State.OK), (181, State.LOOK), (601, State.BAD)],
)
def test_the_last_pass_of_the_worker(age_s: int | None, state: State) -> None:
    assert states(sweep_age_s=age_s) == {"worker": state, "archive": State.OK}


def test_what_the_worker_could_not_do() -> None:
    assert states(lag_s=601)["archive"] is State.BAD
    assert states(over_retained_turns=1)["retention"] is State.LOOK
    assert states(organizations_at_fault=1)["faults"] is State.LOOK
    assert states(set_aside_turns=1)["faults"] is State.LOOK


@pytest.mark.parametrize(
    ("policies", "state"),
    [
        ({"noeviction"}, State.OK),
        ({"noeviction", "allkeys-lru"}, State.BAD),
        ({"volatile-ttl"}, State.BAD),
        (set(), State.LOOK),
    ],
)
def test_eviction(policies: set[str], state: State) -> None:
    assert _eviction(policies).state is state


@pytest.mark.parametrize(
    ("hops", "environ", "state"),
    [
        (0, {}, State.OK),
        (0, {"DYNO": "web.1"}, State.LOOK),
        (1, {"DYNO": "web.1"}, State.OK),
        (2, {}, State.OK),
    ],
)
def test_proxy_hops(hops: int, environ: dict[str, str], state: State) -> None:
    found = check_hops(settings_for(trusted_proxy_hops=hops), environ)
    assert found.state is state
    assert bool(found.next_step) is (state is State.LOOK)


def test_a_missing_operator_token_is_worth_a_look() -> None:
    (without,) = check_settings(settings_for(operator_token=""))
    (having,) = check_settings(settings_for())
    assert (without.state, having.state) == (State.LOOK, State.OK)


@pytest.mark.parametrize(
    ("ahead_s", "state", "words"),
    [
        (0.0, State.OK, "agree"),
        (0.9, State.OK, "agree"),
        (2.0, State.LOOK, "2.0 s ahead of"),
        (-2.0, State.LOOK, "2.0 s behind"),
        (40.0, State.BAD, "40.0 s ahead of"),
    ],
)
def test_clocks(ahead_s: float, state: State, words: str) -> None:
    theirs_s = NOW_S + ahead_s
    backend: Any = SimpleNamespace(
        redis=SimpleNamespace(time=lambda: (int(theirs_s), round(theirs_s % 1 * 1_000_000))),
        database=SimpleNamespace(
            command=lambda _: {"localTime": datetime.fromtimestamp(theirs_s, UTC)}
        ),
    )
    found = list(ClockCheck(backend, lambda: NOW_S).check())
    assert [each.state for each in found] == [state] * 2
    assert all(words in each.text for each in found)


def test_a_slow_answer_is_no_wrong_clock() -> None:
    backend: Any = SimpleNamespace(redis=SimpleNamespace(time=lambda: (int(NOW_S) + 5, 0)))
    check = ClockCheck(backend, iter([NOW_S, NOW_S + 10]).__next__)
    found = next(iter(check.check()))
    assert found.state is State.OK


def test_the_request_log() -> None:
    newest_at = datetime.now(UTC) - timedelta(seconds=90)
    store: Any = SimpleNamespace(find_newest_at=lambda: newest_at)
    assert "90 s old" in check_request_log(settings_for(), store).text
    off = check_request_log(settings_for(request_log_days=0), store)
    assert off.state is State.LOOK


@pytest.mark.parametrize(
    ("failure", "state"),
    [(AutoReconnect("a secret"), State.LOOK), (KeyError("a secret"), State.BAD)],
)
def test_a_check_that_fails_is_a_finding_without_the_text(failure: Exception, state: State) -> None:
    def check() -> Finding:
        raise failure

    (found,) = contained("worker", check)
    assert (found.check, found.state) == ("worker", state)
    assert "secret" not in str(found)
