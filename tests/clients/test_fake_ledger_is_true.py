"""`FakeLedger` answers each request of these stories as the service does."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from flask import Flask
from turnledger.testing import FakeLedger

from tests.callers import new_caller
from tests.turns import Body, at, body, now_ms, reservation, stateful, whole

Step = tuple[str, str, Any]
Shown = dict[str, Any]
BASE = "http://ledger.test"
# Each side makes ids and instants of its own.
OWN = {"request_id", "documentation_url", "message", "allowed", "expires_at", "organization"}
OWN |= {"key_id", "plan", "scopes", "retry_after_ms", "next_cursor"}
ID = re.compile(r"int_[0-9A-Z]{26}")
HEADERS = ("x-ratelimit-limit", "x-quota-", "www-authenticate", "content-type")
NOT_SHOWN = {"x-quota-reset"}


def shown(content: Any) -> Any:
    """Return an answer without what each side makes for itself."""
    if isinstance(content, dict):
        named = {name: shown(value) for name, value in content.items() if name not in OWN}
        if "burst" in named:  # a full bucket is full since now, by the clock of its side
            del named["resets_at"]
        if "projected_exhaustion_at" in named:
            named["is_exhausted_soon"] = named.pop("projected_exhaustion_at") is not None
        is_held = {"is_held": named.pop("held_until") is not None} if "held_until" in named else {}
        return named | is_held
    if isinstance(content, list):
        elements = [shown(each) for each in content]
        is_errors = bool(elements) and isinstance(elements[0], dict) and "field" in elements[0]
        return sorted(elements, key=json.dumps) if is_errors else elements
    return ID.sub("int", content) if isinstance(content, str) else content


class Side:
    """Send the requests of a story to one of the two, and keep what it answered."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.ids: list[str] = []

    def __call__(self, step: Step) -> Shown:
        method, path, content = step
        # `{0}` is the id that the first reservation was answered with.
        path = path.format(*self.ids)
        if content is not None:
            content = json.loads(re.sub(r"\{(\d+)\}", self._id, json.dumps(content)))
        answer = self.client.request(method, path, json=content)
        got = answer.json() if answer.content else None
        if got and got.get("interaction_id") in self.ids:
            got.pop("created_at", None)
        if path == "/v1/turns" and answer.status_code == 201:
            self.ids.append(got["interaction_id"])
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name.startswith(HEADERS) and name not in NOT_SHOWN
        }
        waits = "retry-after" in answer.headers
        assert "x-request-id" in answer.headers
        return {
            "status": answer.status_code,
            "body": shown(got),
            "headers": headers,
            "waits": waits,
        }

    def _id(self, found: re.Match[str]) -> str:
        return self.ids[int(found[1])]


Sides = Callable[..., tuple[Side, Side]]


@pytest.fixture
def sides(memory_app: Flask) -> Iterator[Sides]:
    clients: list[httpx.Client] = []

    def make(**limits: Any) -> tuple[Side, Side]:
        caller = new_caller(memory_app, **limits)
        real = httpx.Client(
            transport=httpx.WSGITransport(memory_app), base_url=BASE, headers=caller.headers
        )
        names = {"turns": "turns_limit", "active_relationships": "relationships_limit"}
        names["uncharged_turns"] = "uncharged_turns_limit"
        enterprise = {"requests_per_second": 500, "burst": 1_000}
        given = enterprise | {names.get(name, name): value for name, value in limits.items()}
        fake = httpx.Client(
            transport=FakeLedger(**given).transport,
            base_url=BASE,
            headers={"Authorization": "Bearer uniq_live_FakeLedger"},
        )
        clients.extend((real, fake))
        return Side(real), Side(fake)

    yield make
    for client in clients:
        client.close()


def post(payload: Body) -> Step:
    return ("POST", "/v1/interactions", payload)


def reserve(turn_id: str, relationship_id: str | None = None, **more: Any) -> Step:
    payload = reservation(turn_id, relationship_id=relationship_id, **more)
    return ("POST", "/v1/turns", payload)


def ending(turn_id: str, **changes: Any) -> Body:
    sent = body(turn_id=turn_id, **changes)
    del sent["occurred_at"]
    return sent


def put(number: int, turn_id: str, **changes: Any) -> Step:
    return ("PUT", f"/v1/turns/{{{number}}}", ending(turn_id, **changes))


def delete(number: int) -> Step:
    return ("DELETE", f"/v1/turns/{{{number}}}", None)


def batch(*turns: Any) -> Step:
    return ("POST", "/v1/interactions/batch", {"interactions": list(turns)})


def completions(*turns: Any) -> Step:
    return ("POST", "/v1/turns/completions", {"completions": list(turns)})


def get(path: str) -> Step:
    return ("GET", path, None)


FULL = whole(turn_id="full", occurred_at=at(now_ms() - 500)["occurred_at"])
ONE, TWO, OLD = body(turn_id="one"), body(turn_id="two"), at(now_ms() - 50 * 3_600_000)
FAILED = body(status="failed", turn_id="failed")
WRONG: list[Body] = [
    body(status="done", latency_ms="1", message="text"),
    body(mode="stateful"),
    body(turn_id="a b", personality_id=None),
    body(usage={"input_tokens": -1, "cost": 2, "turns_consumed": 1.5}),
    body(memory={}, guardrails={"applied": ["A"]}, inferred_emotional_state={"primary": 1}),
    body(latency_ms=-0.4, time_to_first_token_ms=True),
    body(occurred_at="2026-11-23T10:00:00"),
    OLD,
    at(now_ms() + 600_000),
    {},
    stateful(user_id="u" * 128, relationship_id="r" * 128, personality_id="p" * 64)
    | {"usage": {"llm_provider": "o" * 64, "llm_model": "m" * 128}}
    | {"memory": {"consulted": True, "summary_used": "s" * 128}},
]
STORIES: dict[str, tuple[dict[str, Any], list[Step]]] = {
    "a recording and its repetitions": (
        {"turns": 1_000},
        [
            post(FULL),
            post(FULL),
            post(FULL | {"latency_ms": 1}),
            post(FAILED),
            get("/v1/interactions?user_id=u_42"),
            get("/v1/usage/active-relationships"),
        ],
    ),
    "wrong bodies": ({}, [post(each) for each in WRONG]),
    "a batch": ({}, [batch(ONE, ONE, OLD, {"turn_id": 1}, ONE | {"latency_ms": 2}, FULL)]),
    "wrong batches": (
        {},
        [
            batch(),
            completions(),
            ("POST", "/v1/interactions/batch", {"turns": []}),
            ("POST", "/v1/turns/completions", {"completions": 1}),
        ],
    ),
    "a reservation that is completed": (
        {"turns": 10},
        [
            reserve("held", "rel_42"),
            reserve("held", "rel_42"),
            reserve("held", "rel_43"),
            put(0, "held", latency_ms=7),
            put(0, "held", latency_ms=7),
            put(0, "held", latency_ms=8),
            delete(0),
            reserve("held"),
            post(body(turn_id="held")),
        ],
    ),
    "a reservation that is cancelled": (
        {},
        [
            reserve("freed"),
            delete(0),
            delete(0),
            reserve("freed"),
            put(0, "freed"),
            post(body(turn_id="freed")),
            completions(ending("freed") | {"interaction_id": "{0}"}),
        ],
    ),
    "completions in a batch": (
        {"turns": 5},
        [
            reserve("c0"),
            reserve("c1"),
            completions(
                ending("c0") | {"interaction_id": "{0}"},
                ending("c0") | {"interaction_id": "{0}"},
                ending("c0") | {"interaction_id": "{1}"},
                ending("c1", latency_ms=-1) | {"interaction_id": "{1}"},
                ending("c1"),
                ending("c1") | {"interaction_id": "int_1"},
            ),
            get("/v1/usage/turns?group_by=month"),
        ],
    ),
    "wrong ids": (
        {},
        [
            reserve("mine"),
            put(0, "other"),
            ("PUT", "/v1/turns/int_1", ending("mine")),
            ("DELETE", "/v1/turns/int_1", None),
            ("DELETE", "/v1/turns/int_01KAQYEZPJ4F1M3R7W9C0D2E5H", None),
            ("PUT", "/v1/turns/int_01KAQYEZPJ4F1M3R7W9C0D2E5H", ending("mine")),
            get("/v1/interactions/int_01KAQYEZPJ4F1M3R7W9C0D2E5H"),
        ],
    ),
    "wrong reservations": (
        {},
        [
            reserve("w", hold_seconds=9),
            reserve("w", hold_seconds="60"),
            ("POST", "/v1/turns", {"mode": "stateful", "text": "x"}),
        ],
    ),
    "a spent quota": (
        {"turns": 2},
        [
            reserve("q0"),
            post(ONE),
            post(TWO),
            reserve("q1"),
            batch(TWO, ONE, FAILED),
            put(0, "q0"),
            post(TWO),
            post(ONE),
        ],
    ),
    "a spent quota of relationships": (
        {"active_relationships": 1},
        [
            post(stateful("rel_1", turn_id="r1")),
            post(stateful("rel_2", turn_id="r2")),
            reserve("r3", "rel_2"),
            reserve("r4", "rel_1"),
            post(stateful("rel_2", turn_id="r5", status="failed")),
        ],
    ),
    "a spent quota of uncharged turns": (
        {"uncharged_turns": 1},
        [post(FAILED), post(FAILED | {"turn_id": "f2"}), reserve("u0"), post(ONE)],
    ),
    "an empty bucket": (
        {"requests_per_second": 1, "burst": 2, "turns": 1},
        [post(ONE), get("/v1/interactions"), get("/v1/me"), post(TWO), post(ONE), reserve("b")],
    ),
    "a look at the limits": (
        {"requests_per_second": 1, "burst": 20, "turns": 5, "active_relationships": 2},
        [
            get("/v1/limits"),
            post(stateful("rel_1", turn_id="p1")),
            post(FAILED),
            reserve("p2", "rel_2"),
            get("/v1/limits"),
            get("/v1/limits?x=1"),
            get("/v1/usage/active-relationships"),
            put(0, "p2"),
            get("/v1/limits"),
            batch(*(body(turn_id=f"p{number}") for number in range(3, 6))),
            *[get("/v1/limits")] * 8,
        ],
    ),
    "lists": (
        {},
        [
            batch(*(at(now_ms() - 1_000 * n, turn_id=f"l{n}") for n in range(3))),
            post(FULL),
            get("/v1/interactions?limit=2"),
            get("/v1/interactions?llm_model=gpt-4o&status=completed&mode=stateful"),
            get("/v1/interactions?turn_id=l1"),
            get("/v1/interactions?limit=0&from=yesterday&x=1&status=done"),
            get("/v1/interactions?limit=1&limit=2"),
            get("/v1/interactions?cursor=abc"),
            get("/v1/interactions/aggregates"),
            get("/v1/me"),
        ],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_fake_answers_as_the_service(story: str, sides: Sides) -> None:
    limits, steps = STORIES[story]
    real, fake = sides(**limits)
    for step in steps:
        expected = real(step)
        assert fake(step) == expected, step


def test_both_refuse_a_wrong_key(memory_app: Flask) -> None:
    real = httpx.Client(transport=httpx.WSGITransport(memory_app), base_url=BASE)
    with real, httpx.Client(transport=FakeLedger().transport, base_url=BASE) as fake:
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            answers = [side.get("/v1/me", headers=headers) for side in (real, fake)]
            first, second = (answer.json()["error"] for answer in answers)
            assert answers[0].status_code == answers[1].status_code == 401
            assert (first["code"], first["type"]) == (second["code"], second["type"])
