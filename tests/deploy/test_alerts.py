"""The alert rules name what `/metrics` has and runbooks that exist; `scripts/alerts` tests them."""

import pytest
from flask import Flask

from tests.deploy.monitoring import alerts, exposed, faults, load
from tests.docs.pages import anchors
from tests.servers import ROOT

SEVERITIES = {"critical", "warning", "info"}


def test_the_rules_name_only_what_metrics_have(memory_app: Flask) -> None:
    # Prometheus itself makes this one.
    series = {**exposed(memory_app), "up": [{}]}
    unknown = {name: list(faults(rule["expr"], series)) for name, rule in alerts().items()}
    assert {name: found for name, found in unknown.items() if found} == {}


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("turnledger_absent > 0", "turnledger_absent"),
        ('rate(turnledger_requests_total{state="1"}[5m])', "turnledger_requests_total: state"),
        (
            'turnledger_store_circuit_open{store="sql"}',
            'turnledger_store_circuit_open: store="sql"',
        ),
        ("sum by (job, colour) (turnledger_requests_total)", "colour"),
    ],
)
def test_what_metrics_do_not_have_is_found(memory_app: Flask, query: str, fault: str) -> None:
    assert list(faults(query, exposed(memory_app))) == [fault]


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_what_it_means_and_what_to_do(name: str) -> None:
    rule = alerts()[name]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")

    assert set(rule["annotations"]) == {"summary", "impact", "runbook"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert anchor in anchors(ROOT / page)


@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_seen_to_fire_and_not_to_fire(name: str) -> None:
    """Require both cases of each in the file that promtool runs."""
    cases = [
        case
        for test in load("alerts_test.yaml")["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == name
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


def test_the_example_scrapes_the_job_of_the_rules() -> None:
    example = load("prometheus.yaml")
    (scrape,) = example["scrape_configs"]

    assert example["rule_files"] == ["alerts.yaml"]
    assert scrape["job_name"] == "turnledger"
    assert scrape["authorization"]["type"] == "Bearer"
    assert scrape.get("metrics_path", "/metrics") == "/metrics"
