"""Faults, clocks and counts of `FakeLedger`."""

from collections.abc import Iterator

import httpx
import pytest
from turnledger.testing import FakeLedger

from tests.turns import body, reservation

HEADERS = {"Authorization": "Bearer uniq_test_FakeLedger"}


@pytest.fixture
def fake() -> FakeLedger:
    return FakeLedger(turns_limit=2, requests_per_second=1, burst=5)


@pytest.fixture
def client(fake: FakeLedger) -> Iterator[httpx.Client]:
    with httpx.Client(
        transport=fake.transport, base_url="http://ledger.test", headers=HEADERS
    ) as made:
        yield made


def test_turns_and_requests_are_listed(fake: FakeLedger, client: httpx.Client) -> None:
    client.post("/v1/interactions", json=body(turn_id="t1"))
    assert list(fake.turns) == list(fake.items) == ["t1"]
    assert fake.requests == [("POST", "/v1/interactions")]
    assert b'"t1"' in fake.bodies[0]


def test_a_fault_befalls_the_next_requests(fake: FakeLedger, client: httpx.Client) -> None:
    fake.fail(503, 429)
    answers = [client.post("/v1/interactions", json=body()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 429, 201]
    assert answers[0].json()["error"]["code"] == "service_unavailable"
    assert answers[0].headers["Retry-After"] == "1"
    assert len(fake.turns) == 1


def test_an_answer_is_lost_after_the_turn_was_stored(
    fake: FakeLedger, client: httpx.Client
) -> None:
    sent = body()
    fake.fail(httpx.ReadTimeout("late"), is_stored=True)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/interactions", json=sent)
    assert len(fake.turns) == 1
    assert client.post("/v1/interactions", json=sent).status_code == 200


def test_a_ledger_that_is_down_does_not_answer(fake: FakeLedger, client: httpx.Client) -> None:
    fake.is_down = True
    with pytest.raises(httpx.ConnectError):
        client.get("/v1/me")
    fake.is_down = False
    assert client.get("/v1/me").status_code == 200


def test_the_clock_ends_holds_refills_the_bucket_and_ends_the_period(
    fake: FakeLedger, client: httpx.Client
) -> None:
    for _ in range(2):
        client.post("/v1/turns", json=reservation(hold_seconds=60))
    assert len(fake.reservations) == 2
    refused = client.post("/v1/turns", json=reservation())
    assert refused.json()["error"]["code"] == "quota_exhausted"
    assert refused.json()["error"]["details"]["held_until"] is not None
    fake.advance(61)
    assert fake.reservations == {}
    assert client.get("/v1/me").headers["X-RateLimit-Remaining"] == "4"
    for _ in range(2):
        client.post("/v1/turns", json=reservation(hold_seconds=60))
    fake.advance(40 * 86_400)
    assert client.post("/v1/turns", json=reservation()).status_code == 201


def test_a_key_that_only_reads_may_not_record() -> None:
    fake = FakeLedger(scope="read")
    with httpx.Client(
        transport=fake.transport, base_url="http://ledger.test", headers=HEADERS
    ) as client:
        refused = client.post("/v1/interactions", json=body())
    assert refused.status_code == 403
    assert refused.json()["error"]["details"] == {"required_scope": "read_write"}


async def _status(fake: FakeLedger) -> int:
    async with httpx.AsyncClient(transport=fake.transport, headers=HEADERS) as client:
        return (await client.get("http://ledger.test/v1/me")).status_code


def test_it_serves_async_clients(fake: FakeLedger) -> None:
    coroutine = _status(fake)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert ended.value.value == 200
