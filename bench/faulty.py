"""Case `faulty`: judging 500 malformed turns beside judging 500 good ones, in CPU time.

Both are what the batch route does between the body's bytes and the charge; the malformed ones are
rendered too. No kind of mistake may make a batch cost far more than a good one of the same price.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from app import create_app
from app.http.application import provided
from app.http.errors import describe
from app.http.request_errors import InvalidFields
from app.interactions.batch import read_batch
from app.interactions.recording import Recorder
from app.interactions.schemas import MAX_PER_BATCH
from bench.pairs import Bar, Result, Sample, Side, alternated
from bench.sizes import Sizes
from bench.stage import Stage
from tests.servers import settings_for
from tests.turns import whole

ACCOUNT = "org_1:live"
CALLS_COUNT = 5
BAR = Bar(floor=3, goal=2, is_cost=True)
# As many unknown fields in each object as fit into a body of 1 MiB.
UNKNOWN = {f"x{number:02}": 1 for number in range(36)}
PARTS = ("inferred_emotional_state", "memory", "guardrails", "usage")
KINDS: Mapping[str, Callable[[], Any]] = {
    "no object": lambda: 7,
    "an empty object": dict,
    "its last field wrong": lambda: whole(occurred_at="yesterday"),
    "one number out of range": lambda: whole(latency_ms=-1),
    "every field null": lambda: dict.fromkeys(whole()),
    "every field of a wrong type": lambda: {name: [] for name in whole()},
    "64 unknown fields": lambda: {f"x{number:02}": 1 for number in range(64)},
    "unknown fields in every object": lambda: UNKNOWN | dict.fromkeys(PARTS, UNKNOWN),
    "lists of wrong words": lambda: whole(
        guardrails={"applied": ["A"] * 10},
        inferred_emotional_state={"primary": "joy", "secondary": ["A"] * 8},
    ),
}


def run(_stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Judge each kind and good turns alternately; no server has a part in it."""
    good = judging(whole)
    for name, kind in KINDS.items():
        pairs = alternated(judging(kind), good, sizes.pairs)
        yield Result("faulty", f"{name}, beside 500 good", "CPU ms", pairs, BAR)


def judging(element: Callable[[], Any]) -> Side:
    """Measure CPU milliseconds to judge a batch of such elements, the least of `CALLS_COUNT`."""
    body = orjson.dumps([element() for _ in range(MAX_PER_BATCH)])
    app = create_app(settings_for())
    with app.app_context():
        recorder = provided(Recorder)

    def sample() -> Sample:
        with app.app_context():  # which has the answers of errors
            return Sample(min(_timed_ms(recorder, body) for _ in range(CALLS_COUNT)))

    return sample


def _timed_ms(recorder: Recorder, body: bytes) -> float:
    start = time.process_time()
    clock = recorder.request_clock()
    elements = read_batch(
        lambda element, most: recorder.read(ACCOUNT, element, clock, max_field_errors=most),
        orjson.loads(body),
    )
    orjson.dumps([describe(element) for element in elements if isinstance(element, InvalidFields)])
    return (time.process_time() - start) * 1_000
