"""Check what works in the background: the worker, the archive and the log of refused requests."""

from collections.abc import Iterator
from datetime import UTC, datetime

from app.doctor.findings import Finding, State
from app.minutes.service import Minutes
from app.request_log.store import RequestLogStore
from app.usage.health import ArchiveHealth, Health
from config.settings import Settings

# A pass begins a minute after the last has ended. Alerts begin at ten: docs/operate/metrics.md.
LOOK_S, BAD_S = 180, 600
_STATUS = "flask --app wsgi archive status"


def check_worker(health: ArchiveHealth) -> Iterator[Finding]:
    """Check when the worker last did a pass, and what it could not do."""
    found = health.measure()
    yield _last_pass(found)
    yield _lag(found)
    if found.over_retained_turns:
        # After an import of old turns they wait for MongoDB, which deletes once a minute.
        text = f"{found.over_retained_turns:,} turns are stored beyond 181 days"
        step = "look again in two minutes, then docs/operate/runbooks.md: over-retained"
        yield Finding("retention", State.LOOK, text, step)
    if found.organizations_at_fault or found.set_aside_turns:
        text = (
            f"{found.organizations_at_fault:,} organizations at fault, "
            f"{found.set_aside_turns:,} turns set aside"
        )
        yield Finding("faults", State.LOOK, text, f"{_STATUS} names them")


def _last_pass(found: Health) -> Finding:
    name, age_s = "worker", found.sweep_age_s
    if age_s is None:
        return Finding(name, State.BAD, "has never run", "start flask --app wsgi worker")
    text = f"the last pass began {age_s:,} s ago"
    if age_s > BAD_S:
        return Finding(name, State.BAD, text, "start the worker, or read its log")
    if age_s > LOOK_S:
        return Finding(name, State.LOOK, text, "look again in a minute, then read its log")
    return Finding(name, State.OK, text)


def _lag(found: Health) -> Finding:
    if found.lag_s > BAD_S:
        text = f"turns wait since {found.lag_s:,} s"
        return Finding("archive", State.BAD, text, _STATUS)
    return Finding("archive", State.OK, f"the lag is {found.lag_s:,} s")


def check_request_log(settings: Settings, store: RequestLogStore) -> Finding:
    """Check the log of refused requests by its newest entry."""
    name = "request log"
    if not settings.request_log_days:
        text = "off: flask request explains nothing"
        return Finding(name, State.LOOK, text, "set REQUEST_LOG_DAYS")
    newest_at = store.find_newest_at()
    if newest_at is None:
        return Finding(name, State.OK, "no request was refused so far")
    age_s = max(0, int((datetime.now(UTC) - newest_at).total_seconds()))
    return Finding(name, State.OK, f"the newest entry is {age_s:,} s old")


def check_minutes(minutes: Minutes) -> Finding:
    """Check that a web process has reported a minute lately."""
    newest_s = minutes.find_newest_s()
    if newest_s is None:
        text = "no web process has answered anything for ten minutes"
        return Finding("minutes", State.LOOK, text, "start the service, or send it a request")
    return Finding("minutes", State.OK, "web processes report what they answer")
