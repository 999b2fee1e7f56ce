"""Put the answer of `/readyz` into words for the start page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SUMMARIES = {
    "ready": ("ok", "This server is ready"),
    "degraded": ("warn", "This server works without Redis: limits are kept by each process"),
    "draining": ("warn", "This server is about to stop; requests are still served"),
    "unavailable": ("bad", "This server cannot serve requests"),
}
_STORES = {"mongodb": "MongoDB", "redis": "Redis"}


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state as `ok`, `warn` or `bad`, in a sentence, and its facts."""

    level: str
    summary: str
    facts: list[str]


def describe_readiness(answer: Mapping[str, Any]) -> Readiness:
    """Return the words for an answer of `/readyz`."""
    level, summary = _SUMMARIES[answer["status"]]
    return Readiness(level, summary, list(_facts(answer)))


def _facts(answer: Mapping[str, Any]) -> Iterator[str]:
    for store, state in answer.get("stores", {}).items():
        yield f"{_STORES[store]} {state}"
    if "schema" in answer:
        yield f"indexes or validators {answer['schema']}"
    archive = answer.get("archive")
    if archive is not None:
        lag_s = archive["lag_s"]
        yield f"archive {lag_s:,} s behind" if lag_s else "archive up to date"
