"""Answers of a ledger that tests write, and a delivery that gets them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from turnledger._core.counters import Counters
from turnledger._core.values import Answer, Request
from turnledger._outbox.delivery import Delivery
from turnledger._outbox.memory import MemoryOutbox
from turnledger.errors import NetworkError
from turnledger.types import Refused

from tests.clients.outboxes import ACCOUNT, Clock

Reply = Answer | Exception | Callable[[Request], Answer]


def answer(status: int, content: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"" if content is None else json.dumps(content).encode())


def refusal(status: int, code: str, details: Any = None, **headers: str) -> Answer:
    return answer(status, {"error": {"code": code, "message": "", "details": details}}, **headers)


def rejected(code: str, details: Any = None) -> Mapping[str, Any]:
    return {"status": "rejected", "error": {"code": code, "message": "", "details": details}}


def results(*found: Mapping[str, Any], **headers: str) -> Answer:
    return answer(200, {"results": list(found)}, **headers)


CREATED = {"status": "created", "interaction_id": "int_1"}


def all_created(request: Request) -> Answer:
    (items,) = json.loads(request.body or b"{}").values()
    return results(*[CREATED] * len(items))


class Scripted:
    """Answer requests in order, the last answer again and again."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    def turn_ids(self) -> list[list[str]]:
        """Return the turn ids of each batch."""
        return [
            [item["turn_id"] for items in json.loads(request.body).values() for item in items]
            for request in self.requests
            if request.body
        ]


@dataclass
class CountingBreaker:
    """Count what it learns."""

    answers: int = 0
    misses: int = 0

    def answered(self) -> None:
        self.answers += 1

    def unanswered(self) -> None:
        self.misses += 1


@dataclass
class Bench:
    """Hold a delivery with its outbox, exchange and clocks."""

    exchange: Scripted
    clock: Clock = field(default_factory=Clock)
    breaker: CountingBreaker = field(default_factory=CountingBreaker)
    reported: list[Refused] = field(default_factory=list)
    stats: Counters = field(default_factory=Counters)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.outbox = MemoryOutbox(ACCOUNT, max_turns=10_000, now_ms=self.clock)
        self.delivery = Delivery(
            self.outbox,
            self.exchange,
            breaker=self.breaker,
            on_refused=self.reported.append,
            stats=self.stats,
            now_ms=self.clock,
            monotonic=lambda: self.seconds,
        )

    def step(self) -> float:
        """Send one request; return the wait after it."""
        self.delivery.step(10.0)
        return self.delivery.pacing.wait_s()

    def reasons(self) -> list[str]:
        return [each.reason for each in self.outbox.refused()]


def bench(*replies: Reply) -> Bench:
    return Bench(Scripted(*replies))


NO_ANSWER = NetworkError("The connection broke.")
