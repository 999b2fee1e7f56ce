"""Limits of addresses: flask-limiter's house, our bucket, our truth."""

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from limits import parse

from app.admission.decision import Decision, Outcome
from app.admission.errors import whole_seconds
from app.admission.headers import rate_headers
from app.admission.ip_limits import (
    SCHEME,
    IpLimits,
    TokenBucketRateLimiter,
    TokenBucketStorage,
    bucket_policy,
)
from app.admission.keys import address_bucket
from tests.unit.admission.world import SECOND_US, Hand, World

AMOUNT = 20
LIMIT = f"{AMOUNT} per 2 seconds"
ADDRESS = "203.0.113.7"


@pytest.fixture
def ip_limits(world: World) -> IpLimits:
    ip_limits = IpLimits(world.script, LIMIT, world.local)
    ip_limits.init_app(Flask(__name__))
    return ip_limits


@pytest.fixture
def client(world: World) -> FlaskClient:
    """A tiny application with one public route, limited as `access` does it."""
    app = Flask(__name__)
    ip_limits = IpLimits(world.script, "2 per 4 seconds", world.local)
    ip_limits.init_app(app)

    @app.get("/plans/<address>")
    def plans(address: str) -> Response:
        decision = ip_limits.charge(address)
        refused = decision.outcome is Outcome.RATE_LIMITED
        response = Response(status=429 if refused else 200, headers=rate_headers(decision))
        if refused:
            response.headers["Retry-After"] = str(whole_seconds(decision.bucket.retry_after_us))
        return response

    @app.get("/healthz")
    def alive() -> str:
        return "ok"

    return app.test_client()


def charge_all(ip_limits: IpLimits, address: str) -> list[Decision]:
    """Spend the whole bucket, and one more; the last one is the refusal."""
    decisions = [ip_limits.charge(address) for _ in range(AMOUNT + 1)]
    assert decisions[-1].outcome is Outcome.RATE_LIMITED
    return decisions


def test_burst_is_the_amount_and_refill_is_even(ip_limits: IpLimits, hand: Hand) -> None:
    decisions = charge_all(ip_limits, ADDRESS)
    assert [decision.bucket.remaining for decision in decisions] == [*range(19, -1, -1), 0]
    assert decisions[-1].bucket.retry_after_us == SECOND_US // 10
    hand.us += SECOND_US // 10
    assert ip_limits.charge(ADDRESS).outcome is Outcome.ADMITTED
    assert ip_limits.charge(ADDRESS).outcome is Outcome.RATE_LIMITED


def test_decision_of_an_address_has_no_quota(ip_limits: IpLimits, hand: Hand) -> None:
    decision = ip_limits.charge(ADDRESS)
    assert (decision.account_now_us, decision.quota, decision.items) == (None, None, ())
    assert (decision.bucket.rate, decision.time_us, decision.period) == (10, hand.us, None)
    with pytest.raises(AssertionError, match="period"):
        _ = decision.quota_period


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
    ],
)
def test_addresses_that_share_a_bucket(
    ip_limits: IpLimits, one: str, other: str, *, is_shared: bool
) -> None:
    charge_all(ip_limits, one)
    assert (ip_limits.charge(other).outcome is Outcome.RATE_LIMITED) is is_shared


def test_charge_is_one_key_in_redis_that_expires(world: World, ip_limits: IpLimits) -> None:
    ip_limits.charge(ADDRESS)
    ip_limits.charge("2001:db8:1:2::1")
    names = set(world.client.scan_iter())
    assert names == {"bucket:{ip:203.0.113.7}", "bucket:{ip:2001:db8:1:2::/64}"}
    assert all(0 < world.client.pttl(name) <= 1_100 for name in names)


def test_headers_are_ours_and_retry_after_is_rounded_up(client: FlaskClient, hand: Hand) -> None:
    answers = [client.get(f"/plans/{ADDRESS}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert ["Retry-After" in answer.headers for answer in answers] == [False, False, True]
    assert [answer.headers.getlist("X-RateLimit-Limit") for answer in answers] == [["0.5"]] * 3
    assert answers[-1].headers["Retry-After"] == "2"
    hand.us += 2 * SECOND_US - 1
    late = client.get(f"/plans/{ADDRESS}")
    assert (late.status_code, late.headers["Retry-After"]) == (429, "1")
    hand.us += SECOND_US
    assert client.get(f"/plans/{ADDRESS}").status_code == 200


def test_only_explicit_charges_cost(client: FlaskClient, world: World) -> None:
    answer = client.get("/healthz")
    assert not [name for name, _ in answer.headers if "ratelimit" in name.lower()]
    assert list(world.client.scan_iter()) == []


def test_strategy_keeps_its_side_of_the_contract(world: World, hand: Hand) -> None:
    limiter = TokenBucketRateLimiter(TokenBucketStorage(f"{SCHEME}://", world.script, world.local))
    item, key = parse(LIMIT), address_bucket(ADDRESS)
    assert limiter.hit(item, key, cost=15)
    assert limiter.test(item, key, cost=5)
    assert not limiter.test(item, key, cost=6)
    assert not limiter.hit(item, key, cost=6)
    stats = limiter.get_window_stats(item, key)
    assert (stats.remaining, stats.reset_time) == (5, hand.us / SECOND_US + 1.5)
    assert limiter.storage.check()


@pytest.mark.parametrize(
    ("limit", "rate"),
    [("20 per 2 seconds", 10), ("7 per minute", 7 / 60), ("1 per day", 1 / 86400)],
)
def test_limits_are_read_as_burst_and_rate(limit: str, rate: float) -> None:
    policy = bucket_policy(parse(limit))
    assert policy.burst == parse(limit).amount
    assert float(policy.rate) == pytest.approx(rate)
