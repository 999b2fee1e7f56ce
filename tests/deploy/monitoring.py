"""Reads the alert rules and the dashboard, and makes every metric that they can name."""

import re
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import yaml
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from app.admission.decision import Outcome
from app.backends.breaker import FAILURES_COUNT, Breaker
from app.backends.latency import SAMPLED_EVERY, begin, note_redis_call
from app.backends.outages import MongodbCircuitOpen, RedisCircuitOpen
from app.http.faults import note_account_fault
from app.observability.answers import DECISIONS
from app.observability.exports import ExportEnd, ExportSource, report_export
from app.observability.exports import Outcome as ExportOutcome
from app.observability.flusher import report_failure
from app.request_log.recorder import RequestRecorder
from tests.background import flush_background
from tests.callers import LIST, new_caller
from tests.servers import OPERATOR_TOKEN, ROOT
from tests.turns import stateful
from tests.unit.request_log.refusals import LIFETIME, Store, refusal

PROMETHEUS = ROOT / "deploy" / "prometheus"
# Labels that Prometheus adds to what it scrapes.
ADDED = {"job", "instance"}
_SELECTOR = re.compile(r"\b(turnledger_\w+)(?:\{(.*?)\})?(?=[\[\s)]|$)")
_MATCHER = re.compile(r'(\w+)(=~|!~|=|!=)"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring) \(([^)]*)\)")
Series = Mapping[str, list[dict[str, str]]]


def load(name: str) -> Any:
    """Return a YAML file of Prometheus."""
    return yaml.safe_load((PROMETHEUS / name).read_text(encoding="utf-8"))


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alert rules by name."""
    groups = load("alerts.yaml")["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def faults(query: str, series: Series) -> Iterator[str]:
    """Yield each part of a query that no series has: a metric, a label, or a label's value."""
    known = {label for each in series.values() for labels in each for label in labels} | ADDED
    for name, matchers in _SELECTOR.findall(query):
        if name not in series:
            yield name
            continue
        for label, operator, value in _MATCHER.findall(matchers):
            values = {labels.get(label) for labels in series[name]} - {None}
            if label not in ADDED and not values:
                yield f"{name}: {label}"
            elif operator == "=" and label not in ADDED and value not in values:
                yield f'{name}: {label}="{value}"'
    for labels in _GROUPED.findall(query):
        yield from (label for label in re.split(r",\s*", labels) if label not in known)


def exposed(app: Flask) -> Series:
    """Return the labels of all series of `/metrics`, by name, once everything has happened."""
    _record_and_refuse(app)
    _meet_outages()
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    text = app.test_client().get("/metrics", headers=headers).text
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def _record_and_refuse(app: Flask) -> None:
    """Make what requests count: answers, decisions, refusals, an export, an account's turns."""
    caller = new_caller(app, turns=1_000)
    caller.record(stateful("rel_1"))
    caller("GET", f"{LIST}?limit=none")
    end = ExportEnd(ExportSource("id", "org_1", "text/csv"), ExportOutcome.COMPLETE, 1, 1, 1, None)
    report_export(end)
    flush_background(app)
    report_failure("minutes", ValueError("made up"))
    swept = app.test_cli_runner().invoke(args=["archive", "run"])
    assert swept.exit_code == 0, swept.output


def _meet_outages() -> None:
    """Make what is counted of outages and of damaged data."""
    for store, error in (("redis", RedisCircuitOpen), ("mongodb", MongodbCircuitOpen)):
        _open_and_close(store, error)
    DECISIONS.labels("organization", Outcome.DEGRADED.value)
    for _ in range(SAMPLED_EVERY):
        note_redis_call(begin(), ["PING"], has_failed=False)
    note_account_fault("account_unavailable", "org_1:live", "its plan is unknown")
    store = Store()
    store.failure = ValueError()
    no_thread = SimpleNamespace(wake=lambda: None)
    recorder = RequestRecorder(store, LIFETIME, make_flusher=lambda *_: no_thread)
    recorder.note(refusal())
    recorder.flush()


def _open_and_close(store: str, open_error: type[Exception]) -> None:
    """Let a circuit breaker open and close again."""
    errors: list[Exception | None] = [OSError(), None]

    def probe() -> None:
        if error := errors.pop(0):
            raise error

    breaker = Breaker(store, probe, open_error, pause=lambda _: None, start=lambda work: work())
    for _ in range(FAILURES_COUNT):
        breaker.note_failure()
