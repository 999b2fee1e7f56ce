"""MongoDB outage: 503 in two seconds, then at once; no acknowledged turn lost or doubled."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from app.backends.backend import Backend
from app.http.application import provided
from app.interactions.ids import PREFIX
from tests import plain_http
from tests.callers import Caller, new_caller, reconcile
from tests.faults.kit.load import percentile_ms
from tests.faults.kit.processes import frozen
from tests.faults.kit.site import Site, running_site
from tests.faults.kit.traffic import Sent, Traffic
from tests.servers import wait_until

# For one worker, and so few that none waits for a thread while others wait for MongoDB.
PER_SECOND = 4
# These detect a hang on any machine; a frozen MongoDB is released after thirty seconds.
ANSWERED_WITHIN_S = 20
OPENED_WITHIN_S = 20
RECOVERED_WITHIN_S = 60
# The number of answers while no request is sent to MongoDB.
SPARED_COUNT = 8
# The driver waits for a server for at least half a second, so waiting requests take longer.
NEVER_MS = 450
# Bounds of the long form, which runs alone.
ANSWERED_ALONE_WITHIN_S = 2.0
AT_ONCE_MS = 50
BACK_WITHIN_S = 4.0
OPEN_ROUTES = ("/v1/billing/plans", "/openapi.json", "/docs/errors", "/healthz")

Outage = Callable[[Site], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), workers_count=1) as running:
        yield running


def frozen_mongodb(site: Site) -> AbstractContextManager[None]:
    return frozen(site.mongod.process.pid)


@contextmanager
def killed_mongodb(site: Site) -> Iterator[None]:
    site.mongod.kill()
    yield
    site.mongod.restart()


@pytest.mark.parametrize("outage", [frozen_mongodb, killed_mongodb])
def test_requests_that_need_mongodb_are_503_and_nothing_is_lost(
    site: Site, outage: Outage, report_figures: Callable[..., None]
) -> None:
    caller, opened_before = new_caller(site.app), site.breaker_opened_count("mongodb")
    with Traffic(site.service.base_url, caller, PER_SECOND) as load:
        wait_until(lambda: {200, 201} <= statuses(load.sent), RECOVERED_WITHIN_S)
        with outage(site):
            wait_until(
                lambda: site.breaker_opened_count("mongodb") > opened_before, OPENED_WITHIN_S
            )
            open_s = time.monotonic()
            # At least one has not waited for MongoDB.
            wait_until(lambda: is_spared(load.between(open_s)), RECOVERED_WITHIN_S)
            assert statuses(load.between(open_s)) == {503}
            assert_the_rest_is_open(site)
        back_s = time.monotonic()
        wait_until(lambda: {200, 201} <= statuses(load.between(back_s)), RECOVERED_WITHIN_S)
    longest_s = max(each.latency_ms for each in load.sent) / 1_000
    report_figures(longest_answer_s=round(longest_s, 2), requests=len(load.sent))
    assert statuses(load.sent) == {200, 201, 503}
    assert longest_s <= ANSWERED_WITHIN_S
    assert all(each.headers["retry-after"] == "1" for each in load.sent if each.status == 503)
    assert_nothing_is_lost_or_doubled(site, caller, load)


@pytest.mark.long
@pytest.mark.parametrize("outage", [frozen_mongodb, killed_mongodb])
def test_requests_that_need_mongodb_are_503_in_time_then_at_once(
    site: Site, outage: Outage, report_figures: Callable[..., None]
) -> None:
    caller = new_caller(site.app)
    with Traffic(site.service.base_url, caller, PER_SECOND) as load:
        calm = load.last(2)
        with outage(site):
            opening = load.last(4)
            opened = load.last(2)
            assert_the_rest_is_open(site)
        back = load.last(BACK_WITHIN_S + 1)
    waits = [each.latency_ms / 1_000 for each in load.sent]
    open_ms = percentile_ms(load.between(*opened), 99)
    report_figures(longest_answer_s=round(max(waits), 2), p99_once_open_ms=open_ms)
    assert statuses(load.between(calm[0], calm[1] - 0.5)) == {200, 201}
    assert statuses(load.between(*opened)) == {503}
    assert max(waits) <= ANSWERED_ALONE_WITHIN_S
    assert any(each.latency_ms > AT_ONCE_MS for each in load.between(*opening))
    assert open_ms <= AT_ONCE_MS
    assert statuses(load.between(back[0] + BACK_WITHIN_S, back[1])) == {200, 201}
    assert_nothing_is_lost_or_doubled(site, caller, load)


def is_spared(sent: list[Sent]) -> bool:
    """Return True if enough was answered, one of them too fast to have waited for MongoDB."""
    return len(sent) >= SPARED_COUNT and min(each.latency_ms for each in sent) < NEVER_MS


def assert_the_rest_is_open(site: Site) -> None:
    with plain_http.Client(base_url=site.service.base_url, timeout=30) as http:
        assert {http.get(route).status_code for route in OPEN_ROUTES} == {200}
        answer = http.get("/readyz")
        assert (answer.status_code, answer.json()["stores"]["mongodb"]) == (503, "down")
        for malformed in ({"Authorization": "Bearer uniq_live_0123456789"}, {}):
            assert http.get("/v1/me", headers=malformed).status_code == 401


def assert_nothing_is_lost_or_doubled(site: Site, caller: Caller, load: Traffic) -> None:
    """Check that every 201 is stored, and that turns resent after a 503 are stored once."""
    recordings = [each for each in load.sent if each.recording is not None]
    acknowledged = {each.interaction_id for each in recordings if each.status == 201}
    assert len(acknowledged) == len([each for each in recordings if each.status == 201])
    assert acknowledged <= stored_ids(site, caller)
    again = [caller.record(each.recording or {}) for each in recordings if each.status == 503]
    assert {answer.status_code for answer in again} <= {200, 201}
    assert len(stored_ids(site, caller)) == caller.rows_count() == len(recordings)
    reconcile(site.app)
    assert caller.counters()["turns_used"] == len(recordings)


def stored_ids(site: Site, caller: Caller) -> set[str]:
    with site.app.app_context():
        rows = provided(Backend).database["interactions"]
        return {PREFIX + row["_id"] for row in rows.find({"account": caller.account}, {"_id": 1})}


def statuses(sent: list[Sent]) -> set[int]:
    return {each.status for each in sent}
