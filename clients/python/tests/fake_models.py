"""A server on loopback that answers as OpenAI and Anthropic do; the model's name chooses how.

| model | answer |
| --- | --- |
| `filtered` | stopped by a filter, or refused |
| `broken` | 400 |
| `limited` | 429 |
| `flaky` | 500, then as usual |
| `cut` | a stream that breaks off after its first token |
| `stalled` | a stream that goes on after its first token when the server ends |
| `silent` | no answer until the server ends |
| any other | as usual |
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.clients import fake_models as server
from tests.clients.fake_models import Plan, Seen
from tests.clients.model_shapes import Content

WORDS = ("an", " a", "ns", "wer")
PLANS = {
    "broken": Plan(status=400),
    "limited": Plan(status=429),
    "cut": Plan(cut_after=3),
    "stalled": Plan(stall_after=3),
    "silent": Plan(hangs=True),
}


class FakeModels(server.FakeModels):
    """The server; `has_failed` is True once it has answered `flaky` by 500."""

    has_failed = False

    @property
    def url(self) -> str:
        return self.anthropic_url

    def plan_for(self, seen: Seen) -> Plan:
        self.seen.append(seen)
        model = seen.body["model"]
        if model == "flaky" and not self.has_failed:
            self.has_failed = True
            return Plan(status=500)
        plan = PLANS.get(model, Plan())
        content = Content(
            WORDS,
            model=model,
            input_tokens=11,
            output_tokens=7,
            cached_tokens=6,
            finish="blocked" if model == "filtered" else "stop",
        )
        return replace(plan, content=content)


@contextmanager
def running_models() -> Iterator[FakeModels]:
    """Run the server in a thread."""
    with server.serving(FakeModels()) as models:
        yield models
