"""Prometheus metrics, summed over all workers.

With `PROMETHEUS_MULTIPROC_DIR` set (`app/serving/run_folder.py` does so) every worker writes to a
shared folder and any of them answers for all; without it the process speaks for itself. The gauge
of open breakers is made where it is set, in `app/backends/breaker.py`; each worker tells its own.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Response
from flask_smorest import Blueprint
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.http.provide import provided
from app.observability.answers import Answer
from app.observability.readings import note_unreadable

REQUESTS = Counter("turnledger_requests", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "turnledger_request_duration_seconds",
    "Time from the first hook to the complete response.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
DECISIONS = Counter(
    "turnledger_decisions",
    "Admission decisions, by whose bucket was asked: an organization's or an address's.",
    ["bucket", "outcome"],
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_DRIFT = "by which reconciliations have corrected counters, in either direction, since the start."
# What grows for ever is a counter, so that its rate can be asked for.
_COUNTED = {
    "quota_drift_turns": f"Turns {_DRIFT}",
    "quota_drift_relationships": f"Active relationships {_DRIFT}",
    "contained_failures": "Days, periods and accounts that a pass of the worker had to leave out.",
    "set_aside_turns": "Turns that could not be summed and were set aside, since the start.",
}
_READ = {
    "archive_lag_seconds": "How long ago the archive last left nothing behind; 0 if nothing waits.",
    "archive_sweep_age_seconds": "How long ago the archive last looked at all and left nothing.",
    "organizations_at_fault": "Organizations with stored data that cannot be used, up to 1,000.",
    "over_retained_turns": "Turns kept beyond 181 days and an hour, counted up to 1,000.",
}

blueprint = Blueprint("metrics", __name__, description="For operators.")


@dataclass(frozen=True, slots=True)
class Readings:
    """What the stores say at each scrape, whichever process has written it: values by name.

    Left out when they raise one of `failures`, and when what is stored cannot be read.
    """

    read: Callable[[], Mapping[str, int]]
    failures: tuple[type[Exception], ...]

    def exposition(self) -> bytes:
        """The readings as Prometheus reads them."""
        try:
            values = self.read()
        except self.failures:
            return b""
        except Exception as error:
            note_unreadable("metrics", error)
            return b""
        registry = CollectorRegistry()
        registry.register(_Snapshot(values))
        return generate_latest(registry)


class _Snapshot(Collector):
    """Values that are told once.

    A `Gauge` or a `Counter` would not do: with several workers each keeps its value in a file of
    its own, and all of them would be told beside these.
    """

    def __init__(self, values: Mapping[str, int]) -> None:
        self._values = values

    def collect(self) -> Iterator[Metric]:
        """One metric for each value."""
        for name, value in self._values.items():
            full_name = f"turnledger_{name}"
            if name in _COUNTED:
                yield CounterMetricFamily(full_name, _COUNTED[name], value=value)
            else:
                yield GaugeMetricFamily(full_name, _READ[name], value=value)


@blueprint.get("/metrics")
@blueprint.response(200, description="Prometheus exposition, as text.")
@blueprint.doc(security=[{"operatorToken": []}])
def scrape() -> Response:
    """Prometheus exposition, for the holder of the operator token."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    exposition = generate_latest(registry) + provided(Readings).exposition()
    return Response(exposition, content_type=CONTENT_TYPE_LATEST)


def count(answer: Answer) -> None:
    """Count an answer."""
    # A made-up method would be a label of the client's choosing.
    method = answer.method if answer.method in _METHODS else "other"
    _child(REQUESTS, method, answer.route, answer.status).inc()
    _child(DURATION, answer.route).observe(answer.duration_ms / 1_000)
    if answer.decision is not None:
        bucket = "organization" if answer.organization else "address"
        _child(DECISIONS, bucket, answer.decision).inc()


@cache  # of few values each
def _child(metric: Any, *labels: str | int) -> Any:
    """The metric under these labels; the library's own way to it is longer."""
    return metric.labels(*labels)
