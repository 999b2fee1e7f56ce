"""Serve Prometheus metrics, summed over all workers.

With `PROMETHEUS_MULTIPROC_DIR` set (`app/serving/run_folder.py` sets it) every worker writes to a
shared folder, and any worker answers for all. Without it a process reports its own values. The
counts of requests are defined in `answers.py`, and the gauge of circuit breakers in
`app/backends/breaker.py`; it has one series a worker.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flask import Response
from flask_smorest import Blueprint
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.http.application import provided
from app.observability.readings import find_figures

_DRIFT = "that reconciliations have added to or removed from counters, since the start."
# Values that only grow are counters, so that Prometheus can compute their rate.
_COUNTED = {
    "quota_drift_turns": f"Turns {_DRIFT}",
    "quota_drift_relationships": f"Active relationships {_DRIFT}",
    "quota_drift_uncharged_turns": f"Uncharged turns {_DRIFT}",
    "contained_failures": "Days, periods and accounts that a pass of the worker had to skip.",
    "set_aside_turns": "Turns that could not be summed and were set aside, since the start.",
}
_SWEEP = "Seconds since the last complete sweep started"
_READ = {
    "archive_lag_seconds": f"{_SWEEP}; 0 when no turns are waiting.",
    "archive_sweep_age_seconds": f"{_SWEEP}, also when no turns are waiting.",
    "organizations_at_fault": "Organizations with stored data that cannot be used, up to 1,000.",
    "over_retained_turns": "Turns kept beyond 181 days and an hour, counted up to 1,000.",
}

_LABELLED = {
    "organization_turns_used": "Turns used in the billing period, of the accounts with the most.",
    "organization_turns_limit": "Ceiling of turns of the same accounts; absent if unlimited.",
}
_LABELS = ("organization", "environment")
ByAccount = Mapping[tuple[str, str], int]

blueprint = Blueprint("metrics", __name__, description="Metrics, for operators.")


@dataclass(frozen=True, slots=True)
class Readings:
    """Values that are read from the stores at each scrape, by name.

    Those of `read`, and those of `read_accounts`, which have an organization and an environment,
    are left out if the call raises one of `failures`, or if a stored value is damaged.
    """

    read: Callable[[], Mapping[str, int]]
    read_accounts: Callable[[], Mapping[str, ByAccount]]
    failures: tuple[type[Exception], ...]

    def exposition(self) -> bytes:
        """Return the values in Prometheus's text format."""
        values = find_figures("metrics", self.read, self.failures)
        by_account = find_figures("metrics", self.read_accounts, self.failures)
        registry = CollectorRegistry()
        registry.register(_Snapshot(values or {}, by_account or {}))
        return generate_latest(registry)


class _Snapshot(Collector):
    """Values that are reported once.

    With a `Gauge` or a `Counter` each of several workers would keep a value in its own file, and
    all of them would be reported beside these.
    """

    def __init__(self, values: Mapping[str, int], by_account: Mapping[str, ByAccount]) -> None:
        self._values = values
        self._by_account = by_account

    def collect(self) -> Iterator[Metric]:
        """Yield one metric for each value, and one for the values of accounts of each name."""
        for name, accounts in self._by_account.items():
            family = GaugeMetricFamily(f"turnledger_{name}", _LABELLED[name], labels=_LABELS)
            for account, value in accounts.items():
                family.add_metric(account, value)
            yield family
        for name, value in self._values.items():
            full_name = f"turnledger_{name}"
            if name in _COUNTED:
                yield CounterMetricFamily(full_name, _COUNTED[name], value=value)
            else:
                yield GaugeMetricFamily(full_name, _READ[name], value=value)


@blueprint.get("/metrics")
@blueprint.response(
    200,
    {"type": "string", "description": "One metric a line."},
    description="Prometheus exposition, as text.",
    content_type="text/plain",
)
@blueprint.doc(security=[{"operatorToken": []}])
def scrape() -> Response:
    """Return the metrics for Prometheus.

    It needs the operator token, and answers for all workers of the service.
    """
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    exposition = generate_latest(registry) + provided(Readings).exposition()
    return Response(exposition, content_type=CONTENT_TYPE_LATEST)
