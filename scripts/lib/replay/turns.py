"""Turn arrivals into recordings; a seeded generator supplies the fields that a trace lacks.

Intervals and token counts come from the trace. Users, personalities, emotions and latencies are
generated. The same file, start, seed and line always give the same turn.
"""

import re
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any

from app.http.instants import format_ms
from scripts.lib.replay.trace import Arrival

USERS_COUNT = 400
_PERSONALITIES = ("pers_ada", "pers_bruno", "pers_chiyo", "pers_dara")
_EMOTIONS = ("joy", "trust", "curiosity", "neutral", "sadness", "frustration")
_INTENSITIES = ("low", "medium", "high")
# Some users talk much more than others.
_WEIGHTS = list(accumulate(rank**-0.7 for rank in range(1, USERS_COUNT + 1)))
_FIRST_TOKEN_MS = 250
_PER_CONTEXT_TOKEN_MS = 0.05
_PER_GENERATED_TOKEN_MS = 14
_MODEL = {"llm_provider": "azure", "llm_model": "replayed"}
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_STEM = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """The inputs that, with an arrival, determine every byte of a turn."""

    file_stem: str
    start_ms: int
    seed: int

    def body(self, arrival: Arrival) -> dict[str, Any]:
        """Return the recording of `arrival`; its instant is the start plus the arrival's offset.

        It does not depend on speed, batches or limits, so sending it again is a duplicate.
        """
        # Deterministic on purpose; nothing here is a secret.
        random = Random(f"{self.seed} {arrival.line}")  # noqa: S311
        person = 1 + bisect(_WEIGHTS, random.random() * _WEIGHTS[-1])
        first_ms = round(
            (_FIRST_TOKEN_MS + _PER_CONTEXT_TOKEN_MS * arrival.context_tokens)
            * random.lognormvariate(0, 0.25)
        )
        rest_ms = round(
            _PER_GENERATED_TOKEN_MS * arrival.generated_tokens * random.lognormvariate(0, 0.25)
        )
        return {
            "turn_id": self.turn_id(arrival),
            "occurred_at": format_ms(self.start_ms + arrival.offset_us // 1_000),
            "mode": "stateful",
            "status": "completed",
            "user_id": f"u_replay_{person}",
            "relationship_id": f"rel_replay_{person}",
            "personality_id": _PERSONALITIES[person % len(_PERSONALITIES)],
            "inferred_emotional_state": {
                "primary": random.choice(_EMOTIONS),
                "confidence": round(random.uniform(0.4, 0.99), 2),
                "intensity": random.choice(_INTENSITIES),
            },
            "usage": {
                **_MODEL,
                "input_tokens": arrival.context_tokens,
                "output_tokens": arrival.generated_tokens,
            },
            "latency_ms": first_ms + rest_ms,
            "time_to_first_token_ms": first_ms,
        }

    def turn_id(self, arrival: Arrival) -> str:
        """Return `FILE:START:LINE`; another start is another run, with other turns."""
        stem = _NOT_OF_AN_ID.sub("-", self.file_stem)[:_LONGEST_STEM]
        return f"{stem}:{self.start_ms}:{arrival.line}"
