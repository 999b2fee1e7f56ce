"""Send the requests of the trial to a service of this machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any


def new_turn() -> Mapping[str, Any]:
    """Return a turn that occurs now."""
    return {
        "turn_id": "turn-of-the-trial",
        "occurred_at": datetime.now(UTC).isoformat(),
        "mode": "stateless",
        "status": "completed",
        "personality_id": "pers_ada",
        "latency_ms": 812,
    }


@dataclass(frozen=True, slots=True)
class Client:
    """Requests for the service at a port of this machine."""

    port: int

    def status(self, path: str) -> int:
        """Return the status of a GET; 0 if nothing answers."""
        try:
            return self._send("GET", path, None, {})
        except (OSError, HTTPException):
            return 0

    def record(self, turn: Mapping[str, Any], key: str) -> int:
        """Record a turn and return the status."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return self._send("POST", "/v1/interactions", json.dumps(turn), headers)

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()
