"""Odd values of every variable, and words of their refusal; no words for accepted values."""

import json
from dataclasses import dataclass
from pathlib import Path

CANARY = "canary4711"
# Host names are resolved at a start, after all settings have been read.
UNRESOLVED = "names no host that can be found"
# `Settings` reads all of these, and names every bad one in one refusal.
READ_TOGETHER = (
    *("BACKEND", "MONGODB_URI", "REDIS_URL", "KEY_PEPPERS", "ID_KEY", "CURSOR_SECRETS"),
    *(
        "OPERATOR_TOKEN",
        "METRICS_TOKEN",
        "PLANS_FILE",
        "TRUSTED_PROXY_HOPS",
        "IP_LIMIT",
        "REDIS_TIMEOUT_MS",
    ),
    *("MONGODB_TIMEOUT_MS", "REQUEST_DEADLINE_S", "LOG_LEVEL", "DOCUMENTATION_URL"),
    *("QUOTA_ON_REDIS_FAILURE", "CORS_ALLOWED_ORIGINS", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    *("OTLP_USER_ATTRIBUTES", "OTLP_RELATIONSHIP_ATTRIBUTES", "OTLP_PERSONALITY_ATTRIBUTES"),
    "OTLP_DEFAULT_PERSONALITY",
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable with a value; `refused` are words that one line of the refusal contains."""

    name: str
    value: str
    refused: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}={self.value!a}"


def good_environ() -> dict[str, str]:
    """Return a minimal valid environment; nothing listens at its addresses."""
    return {
        "MONGODB_URI": "mongodb://127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "KEY_PEPPERS": "p" * 32,
        "ID_KEY": "i" * 32,
        "CURSOR_SECRETS": "c" * 32,
    }


def odd_settings(number: int) -> list[Variable]:
    """Return one refused value of each setting; other values for each `number`."""
    chosen = []
    for name in READ_TOGETHER:
        values = [each for each in VARIABLES if each.name == name and each.refused]
        known = [each for each in values if UNRESOLVED not in each.refused]
        chosen.append(known[(7 * number + 11) % len(known)])
    return chosen


def _read() -> list[Variable]:
    rows = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return [Variable(row["name"], row["value"], tuple(row["refused"])) for row in rows]


VARIABLES = _read()
