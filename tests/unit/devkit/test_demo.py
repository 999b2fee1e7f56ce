"""The demo: its keys work, its history is the same each time, and a second run adds nothing."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from pymongo.database import Database

from app.backends import memory
from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import parse_ms
from app.tenancy.authentication import Authenticator
from app.tenancy.plans import load_plans
from app.tenancy.records import require_sound_organization
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from devkit.__main__ import main
from devkit.demo_history import HISTORY_DAYS, past_turns
from tests.applications import make_app
from tests.servers import PEPPER, settings_for

pytestmark = pytest.mark.slow  # seconds of work

NOW_MS = parse_ms("2026-11-23T20:30:00Z")
DAY_MS = 86_400_000
TURNS = 80
Run = Callable[..., Result]


@pytest.fixture
def run(memory_app: Flask) -> Run:
    """Run a development command."""
    runner = memory_app.test_cli_runner()
    return lambda *words: runner.invoke(main, [*words])


@pytest.fixture
def seeded(run: Run) -> dict[str, Any]:
    return _seed(run)


def _seed(run: Run, *words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("demo", "seed", "--turns", str(TURNS), *words).stdout)
    return answer


@dataclass(frozen=True)
class SeededDemo:
    """A demo that tests only read, and its first day when its seeding began."""

    app: Flask
    backend: Backend
    earliest: str
    answer: dict[str, Any]


@pytest.fixture(scope="module")
def demo() -> Iterator[SeededDemo]:
    with closing(memory.connect()) as backend:
        app, earliest = make_app(settings_for(), backend), _first_day_of_history()
        runner = app.test_cli_runner()
        yield SeededDemo(
            app, backend, earliest, _seed(lambda *words: runner.invoke(main, [*words]))
        )


def test_the_demo_has_an_organization_and_keys_for_each_plan(demo: SeededDemo) -> None:
    seeded, memory_backend = demo.answer, demo.backend
    plans = load_plans(settings_for().plans_file)
    authenticator = Authenticator(
        TenancyStore(memory_backend.database),
        plans,
        (PEPPER,),
        require_store=memory_backend.mongodb_breaker.require_closed,
        note_use=lambda *_: None,
    )
    assert set(seeded["keys"]) == set(plans)
    for plan, keys in seeded["keys"].items():
        for scope, key in keys.items():
            principal = authenticator.authenticate(f"Bearer {key}")
            assert (principal.plan, principal.scope) == (plan, scope)
            assert principal.organization_id == seeded["organizations"][plan]
    tester = authenticator.authenticate(f"Bearer {seeded['test_key']}")
    assert (tester.environment, tester.plan) == ("test", "pro")


def test_the_demo_signed_up_when_its_history_begins(demo: SeededDemo) -> None:
    with demo.app.app_context():
        found = [require_sound_organization(each) for each in provided(Organizations).list_()]
    days = [organization.signed_up_on.isoformat() for organization in found]
    # A midnight may pass while the demo is seeded.
    assert set(days) <= {demo.earliest, _first_day_of_history()}
    assert len(days) == len(demo.answer["organizations"])


def test_history_charges_no_quota(demo: SeededDemo) -> None:
    rows = demo.backend.database["interactions"]
    assert rows.count_documents({}) > 0
    assert rows.count_documents({"charged": {"$ne": 0}}) == 0


def test_history_is_archived_and_reaches_further_than_the_list(demo: SeededDemo) -> None:
    database = demo.backend.database
    assert archived_turns(database) == TURNS
    horizon = (datetime.now(UTC) - timedelta(days=182)).date().isoformat()
    assert database["usage_daily"].count_documents({"day": {"$lt": horizon}}) > 0
    assert database["interactions"].count_documents({"day": {"$lt": horizon}}) == 0
    assert database["interactions"].count_documents({"open": {"$exists": True}}) == 0


def archived_turns(database: Database[dict[str, Any]]) -> int:
    days = database["usage_daily"].find()
    return sum(sum(day["by_status"].values()) for day in days)


def test_seeding_again_adds_nothing_and_spoils_no_key(
    seeded: dict[str, Any], run: Run, memory_app: Flask, memory_backend: Backend
) -> None:
    again = _seed(run)
    assert again["organizations"] == seeded["organizations"]
    assert again["keys"] is None
    assert archived_turns(memory_backend.database) == TURNS
    assert _status(memory_app, seeded["keys"]["free"]["read"]) == 200


def test_new_keys_replace_the_demo_s_old_ones(
    seeded: dict[str, Any], run: Run, memory_app: Flask
) -> None:
    again = _seed(run, "--new-keys")
    assert _status(memory_app, again["keys"]["free"]["read"]) == 200
    assert _status(memory_app, seeded["keys"]["free"]["read"]) == 401


def test_a_history_is_the_same_at_every_run_within_the_hour() -> None:
    assert list(past_turns("pro", 200, NOW_MS)) == list(past_turns("pro", 200, NOW_MS + 60_000))


def test_a_past_has_the_rhythm_of_days_and_weeks() -> None:
    instants = [parse_ms(turn["occurred_at"]) for turn in past_turns("pro", 20_000, NOW_MS)]
    assert instants == sorted(instants)
    assert instants[0] > NOW_MS - HISTORY_DAYS * DAY_MS - DAY_MS
    assert instants[-1] < NOW_MS
    moments = [datetime.fromtimestamp(instant / 1000, UTC) for instant in instants]
    hours = Counter(moment.hour for moment in moments)
    weekdays = Counter(moment.weekday() for moment in moments)
    assert hours[20] > 5 * hours[3]
    assert weekdays[1] > 1.4 * weekdays[6]


def _first_day_of_history() -> str:
    return (datetime.now(UTC) - timedelta(days=HISTORY_DAYS)).date().isoformat()


def _status(app: Flask, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return app.test_client().get("/v1/me", headers=headers).status_code
