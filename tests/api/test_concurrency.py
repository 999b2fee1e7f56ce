"""Requests in flight of one organization beside another's, through the application itself."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask

from app.interactions.errors import TurnNotFound
from app.tenancy.model import Scope
from tests.api.in_flight import Hold, counts, freeze_limiter
from tests.callers import LIST, Caller, Clock, error_of, new_caller
from tests.turns import body

ME = "/v1/me"
AGGREGATES = "/v1/interactions/aggregates"
BATCH = {"interactions": [body()]}


@pytest.fixture
def hold(memory_app: Flask) -> Iterator[Hold]:
    hold = Hold(memory_app)
    yield hold
    hold.close()


@pytest.fixture(autouse=True)
def clock(memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The limiter's clock, which stands still until a test moves it."""
    return freeze_limiter(memory_app, monkeypatch)


def test_one_request_above_half_of_the_threads_is_refused(
    hold: Hold, own: Caller, other: Caller
) -> None:
    hold.wrap("interactions.list_")
    hold.send(own, 4, "GET", LIST)
    assert other("GET", ME).status_code == 200

    answer = own("GET", ME)

    assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
    assert error_of(answer)["type"] == "rate_limit"
    assert error_of(answer)["details"] == {
        "component": "concurrency",
        "limit": 4,
        "retry_after_ms": 1_000,
    }
    assert answer.headers["Retry-After"] == "1"
    assert other("GET", ME).status_code == 200
    assert hold.release() == [200] * 4


def test_a_refusal_has_the_limit_headers_and_charges_one_token(
    memory_app: Flask, hold: Hold, other: Caller
) -> None:
    own = new_caller(memory_app, "pro")
    Clock(memory_app)  # stops Redis's clock, so that the bucket is not refilled
    hold.wrap("interactions.list_")
    hold.send(own, 4, "GET", LIST)
    other("GET", ME)

    answers = [own("GET", ME) for _ in range(2)]

    assert [each.status_code for each in answers] == [429, 429]
    assert {each.headers["X-RateLimit-Limit"] for each in answers} == {"25"}
    # A burst of 50, less one token for each of the four held requests.
    assert [each.headers["X-RateLimit-Remaining"] for each in answers] == ["45", "44"]
    assert "X-RateLimit-Reset" in answers[0].headers
    assert answers[0].headers["X-Quota-Turns-Used"] == "0"
    assert answers[0].headers["Cache-Control"] == "no-store"


def test_a_refusal_by_the_bucket_precedes_that_by_concurrency(
    memory_app: Flask, hold: Hold, other: Caller
) -> None:
    own = new_caller(memory_app, "pro", burst=5)
    Clock(memory_app)
    hold.wrap("interactions.list_")
    hold.send(own, 4, "GET", LIST)
    other("GET", ME)

    answers = [own("GET", ME) for _ in range(2)]

    assert [each.status_code for each in answers] == [429, 429]
    first, second = [error_of(each)["details"] for each in answers]
    assert first["component"] == "concurrency"
    assert second == {"limit": 25, "retry_after_ms": 40}


@pytest.mark.parametrize(
    ("method", "path", "payload"),
    [
        ("POST", LIST, body()),
        ("POST", f"{LIST}/batch", BATCH),
        ("POST", "/v1/turns", {"turn_id": "t", "mode": "stateless", "personality_id": "pers_ada"}),
        ("POST", "/v1/turns/completions", {"completions": [body()]}),
        ("PUT", "/v1/turns/int_absent", body()),
        ("DELETE", "/v1/turns/int_absent", None),
    ],
)
def test_a_refused_recording_charges_no_quota(
    hold: Hold, own: Caller, other: Caller, method: str, path: str, payload: Any
) -> None:
    hold.wrap("interactions.list_")
    hold.send(own, 4, "GET", LIST)
    other("GET", ME)

    answer = own(method, path, json=payload)

    assert (answer.status_code, error_of(answer)["details"]["component"]) == (429, "concurrency")
    assert answer.headers["X-Quota-Turns-Used"] == "0"
    assert "X-RateLimit-Limit" in answer.headers
    assert own.rows_count() == 0


def test_batches_have_a_quarter_of_the_threads(hold: Hold, own: Caller, other: Caller) -> None:
    hold.wrap("interactions.record_many")
    hold.send(own, 2, "POST", f"{LIST}/batch", json=BATCH)
    other("GET", ME)

    refused, light = own.record_batch([body()]), own.record(body())

    assert (refused.status_code, light.status_code) == (429, 201)
    assert error_of(refused)["details"]["limit"] == 2
    assert hold.release() == [200] * 2
    assert own.record_batch([body()]).status_code == 200


def test_filtered_aggregates_and_batches_share_their_quarter(
    hold: Hold, own: Caller, other: Caller
) -> None:
    for endpoint in ("usage.aggregates", "interactions.record_many"):
        hold.wrap(endpoint)
    hold.send(own, 1, "POST", f"{LIST}/batch", json=BATCH)
    hold.send(own, 1, "GET", f"{AGGREGATES}?user_id=u_1")
    other("GET", ME)

    answers = [own("GET", f"{AGGREGATES}?{name}=x") for name in ("user_id", "relationship_id")]

    assert [each.status_code for each in answers] == [429, 429]
    assert error_of(answers[0])["details"]["limit"] == 2
    hold.send(own, 2, "GET", AGGREGATES)  # without such a filter they are light requests
    assert hold.release() == [200] * 4


def test_an_organization_alone_may_use_every_thread(hold: Hold, own: Caller) -> None:
    hold.wrap("usage.aggregates")

    hold.send(own, 8, "GET", f"{AGGREGATES}?user_id=u_1")

    assert hold.release() == [200] * 8


def test_an_organization_counts_as_alone_a_second_after_the_others_last_request(
    hold: Hold, own: Caller, other: Caller, clock: list[float]
) -> None:
    hold.wrap("interactions.list_")
    hold.send(own, 4, "GET", LIST)
    other("GET", ME)
    assert own("GET", ME).status_code == 429

    clock[0] += 1

    assert own("GET", ME).status_code == 200


def test_an_organization_without_a_good_key_is_no_neighbour(
    memory_app: Flask, hold: Hold, own: Caller, other: Caller
) -> None:
    hold.wrap("interactions.list_")
    hold.send(own, 4, "GET", LIST)
    lesser = new_caller(memory_app, "pro", scope=Scope.READ)
    assert memory_app.test_client().get(ME).status_code == 401
    assert lesser.record(body()).status_code == 403

    assert own("GET", ME).status_code == 200


@pytest.mark.parametrize("raised", [RuntimeError("a bug"), TurnNotFound(), SystemExit(1)])
def test_a_request_that_fails_is_not_in_flight_any_more(
    memory_app: Flask, hold: Hold, own: Caller, other: Caller, raised: BaseException
) -> None:
    memory_app.testing = False

    def fail() -> None:
        raise raised

    hold.wrap("accounts.me", fail)
    with ExitStack() as stack:
        if isinstance(raised, SystemExit):
            stack.enter_context(pytest.raises(SystemExit))
        hold.send(own, 4, "GET", ME)
        assert counts(memory_app) == {own.organization.id: [4, 0]}
        hold.release()

    hold.close()
    assert counts(memory_app) == {}


def test_refused_requests_are_not_in_flight_any_more_either(
    memory_app: Flask, other: Caller
) -> None:
    own = new_caller(memory_app, "pro", burst=1, requests_per_second=1)
    statuses = [own("GET", f"{ME}?foo=1").status_code for _ in range(8)]
    statuses += [own("POST", LIST, json={}).status_code for _ in range(8)]

    assert {400, 429} == set(statuses)
    assert counts(memory_app) == {}


def test_the_log_says_that_a_refused_request_was_limited(
    hold: Hold, own: Caller, other: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    hold.wrap("interactions.list_")
    hold.send(own, 4, "GET", LIST)
    other("GET", ME)
    capsys.readouterr()

    own("GET", ME)

    assert '"decision":"rate_limited"' in capsys.readouterr().out
