"""One exchange, or a few, of each operation."""

from typing import Any
from unittest.mock import patch

from flask import Flask

from app.backends.outages import MongodbCircuitOpen
from app.http.application import provided
from app.observability.health import Probes
from tests.callers import Caller, readiness
from tests.examples.session import Exchange, Session

TURN = {
    "turn_id": "turn-7f3a",
    "occurred_at": "2026-11-23T09:59:58.160Z",
    "mode": "stateful",
    "status": "completed",
    "user_id": "u_42",
    "relationship_id": "rel_42",
    "personality_id": "pers_ada",
    "inferred_emotional_state": {
        "primary": "joy",
        "confidence": 0.82,
        "secondary": ["trust"],
        "intensity": "medium",
        "valence": 0.4,
        "arousal": 0.3,
    },
    "memory": {
        "consulted": True,
        "summary_used": "sum_3",
        "significant_moments_referenced": 2,
        "model_updated": False,
    },
    "guardrails": {"applied": ["tone_softened"]},
    "usage": {
        "llm_provider": "openai",
        "llm_model": "gpt-4o",
        "input_tokens": 374,
        "output_tokens": 44,
    },
    "latency_ms": 1840,
    "time_to_first_token_ms": 310,
}
FAILED = {
    "turn_id": "turn-7f3b",
    "occurred_at": "2026-11-23T09:59:57Z",
    "mode": "stateless",
    "status": "failed",
    "personality_id": "pers_ada",
    "latency_ms": 212.4,
    "error_code": "provider_error",
}
RESERVATION = {
    "turn_id": "turn-7f3c",
    "mode": "stateful",
    "user_id": "u_42",
    "relationship_id": "rel_42",
    "personality_id": "pers_ada",
    "hold_seconds": 60,
}
_REPORTED = {"status": "completed", "latency_ms": 920}
COMPLETION = {name: RESERVATION[name] for name in RESERVATION if name != "hold_seconds"} | _REPORTED
SECOND = {"turn_id": "turn-7f3f"}
LATE = FAILED | {"turn_id": "turn-7f3d", "occurred_at": "2026-11-20T10:00:00Z"}
BATCH = {"interactions": [TURN, FAILED, LATE]}
SPANS = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "5b8aa5a2d2c872e8321cf37308d69df2",
                            "spanId": "051581bf3cb55c13",
                            "name": "chat gpt-4o",
                            "startTimeUnixNano": "1795427996000000000",
                            "endTimeUnixNano": "1795427997840000000",
                            "attributes": [
                                {
                                    "key": "gen_ai.operation.name",
                                    "value": {"stringValue": "chat"},
                                },
                                {
                                    "key": "gen_ai.request.model",
                                    "value": {"stringValue": "gpt-4o"},
                                },
                            ],
                        }
                    ]
                }
            ],
        }
    ]
}
_DAYS = "from=2026-11-22&to=2026-11-24"


class Recording:
    """The exchanges so far, by operation and status."""

    def __init__(self, session: Session, caller: Caller) -> None:
        self._session, self._caller = session, caller
        self.exchanges: dict[str, dict[str, Exchange]] = {}

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return the body of the answer to a keyed request; keep nothing."""
        exchange = self._session.exchange(method, path, caller=self._caller, **options)
        return exchange["response"]["body"]

    def send(self, operation_id: str, method: str, path: str, **options: Any) -> Any:
        """Keep the exchange of a keyed request; return the body of the answer."""
        return self.send_public(operation_id, method, path, caller=self._caller, **options)

    def send_public(self, operation_id: str, method: str, path: str, **options: Any) -> Any:
        """Keep the exchange of a request without a key; return the body of the answer."""
        exchange = self._session.exchange(method, path, **options)
        response = exchange["response"]
        self.exchanges.setdefault(operation_id, {})[str(response["status"])] = exchange
        return response.get("body")


def record(app: Flask, caller: Caller) -> dict[str, dict[str, Exchange]]:
    """Return exchanges of every operation that answers JSON."""
    recording = Recording(Session(app), caller)
    _record_public(app, recording)
    _record_turns(recording)
    _reserve_turns(recording)
    _receive_spans(recording)
    _read_numbers(recording)
    _manage_keys(recording)
    return recording.exchanges


def _record_public(app: Flask, recording: Recording) -> None:
    recording.send_public("get_health", "GET", "/healthz")
    recording.send_public("get_readiness", "GET", "/readyz")
    with app.app_context():
        probes = provided(Probes)
    with patch.dict(probes.probes, mongodb=_fail):
        readiness(app)  # so that the next answer is not the one before
        recording.send_public("get_readiness", "GET", "/readyz")
    recording.send_public("list_plans", "GET", "/v1/billing/plans")


def _fail() -> None:
    raise MongodbCircuitOpen


def _record_turns(recording: Recording) -> None:
    recorded = recording.send("record_interaction", "POST", "/v1/interactions", body=TURN)
    recording.send("record_interaction", "POST", "/v1/interactions", body=TURN)
    recording.send("record_interactions_batch", "POST", "/v1/interactions/batch", body=BATCH)
    path = f"/v1/interactions/{recorded['interaction_id']}"
    recording.send("get_interaction", "GET", path)
    recording.send("list_interactions", "GET", "/v1/interactions?limit=1")


def _reserve_turns(recording: Recording) -> None:
    reserved = recording.send("reserve_turn", "POST", "/v1/turns", body=RESERVATION)
    recording.send("reserve_turn", "POST", "/v1/turns", body=RESERVATION)
    path = f"/v1/turns/{reserved['interaction_id']}"
    recording.send("complete_turn", "PUT", path, body=COMPLETION)
    recording.send("complete_turn", "PUT", path, body=COMPLETION)
    second = recording.ask("POST", "/v1/turns", body=RESERVATION | SECOND)
    completions = [
        COMPLETION | SECOND | {"interaction_id": second["interaction_id"]},
        COMPLETION | {"interaction_id": reserved["interaction_id"]},
    ]
    batch = {"completions": completions}
    recording.send("complete_turns_batch", "POST", "/v1/turns/completions", body=batch)
    other = RESERVATION | {"turn_id": "turn-7f3e"}
    reserved = recording.ask("POST", "/v1/turns", body=other)
    recording.send("cancel_turn", "DELETE", f"/v1/turns/{reserved['interaction_id']}")


def _receive_spans(recording: Recording) -> None:
    recording.send("receive_traces", "POST", "/v1/traces", body=SPANS)


def _read_numbers(recording: Recording) -> None:
    path = f"/v1/interactions/aggregates?group_by=day&{_DAYS}"
    recording.send("aggregate_interactions", "GET", path)
    path = "/v1/usage/turns?group_by=month&breakdown=model"
    recording.send("get_turns_usage", "GET", path)
    recording.send("get_limits", "GET", "/v1/limits")
    recording.send("get_credits", "GET", "/v1/billing/credits")
    recording.send("get_subscription", "GET", "/v1/billing/subscription")
    recording.send("get_active_relationships", "GET", "/v1/usage/active-relationships")


def _manage_keys(recording: Recording) -> None:
    recording.send("get_me", "GET", "/v1/me")
    wanted = {"scope": "read", "expires_in_days": 90, "label": "dashboard"}
    key = recording.send("create_api_key", "POST", "/v1/api-keys", body=wanted)
    path = f"/v1/api-keys/{key['id']}"
    recording.send("get_api_key", "GET", path)
    recording.send("list_api_keys", "GET", "/v1/api-keys?limit=1")
    recording.send("revoke_api_key", "DELETE", path)
