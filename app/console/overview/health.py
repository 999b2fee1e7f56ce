"""The answer of `/readyz`, the checks of the doctor, and the lag of the archive."""

from typing import Any

from app.console.shared_reads import shared
from app.doctor.findings import Finding, State
from app.doctor.service import Doctor
from app.http.application import provided
from app.observability.health import find_readiness

_LEVELS = {State.OK: "ok", State.LOOK: "warn", State.BAD: "bad"}


def find_health() -> dict[str, Any]:
    """Return the answer of `/readyz`, and the findings of `flask doctor`."""
    readiness, _ = find_readiness()
    findings, as_of = shared("health", _read)
    return {
        "as_of": as_of,
        "status": readiness["status"],
        "stores": readiness.get("stores"),
        "archive": readiness.get("archive"),
        "findings": [
            {
                "check": found.check,
                "level": _LEVELS[found.state],
                "text": found.text,
                "next_step": found.next_step or None,
            }
            for found in findings
        ],
    }


def _read() -> list[Finding]:
    return list(provided(Doctor).examine())
