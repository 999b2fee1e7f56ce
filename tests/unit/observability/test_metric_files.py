"""Importing the service opens no file of metrics: the folder is chosen later."""

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from app import factory


def test_every_metric_has_labels() -> None:
    # One without labels opens its file when it is made, so at import.
    ours = [
        collector
        for collector in REGISTRY._collector_to_names
        if isinstance(collector, MetricWrapperBase)
    ]
    assert factory
    assert len(ours) > 5
    assert [metric._name for metric in ours if not metric._labelnames] == []
