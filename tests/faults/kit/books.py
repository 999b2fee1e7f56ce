"""Compare what operators are shown with the turns that producers know to be stored."""

from collections import Counter
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from app.console.organization_data import OrganizationData
from app.console.usage_data import Span
from tests import plain_http
from tests.callers import LIST, TURNS, Caller
from tests.faults.kit.load import NO_ANSWER
from tests.faults.kit.producers import Producers
from tests.servers import OPERATOR_TOKEN, RunningService

SENT_TO = (TURNS, LIST)


def assert_console_and_api_equal(producers: Producers, caller: Caller) -> None:
    """Check that page, API and ledger have the same turns, by status, model and quota."""
    with caller.app.app_context():
        page = OrganizationData(caller.organization, caller.environment).page(Span.DAYS_30)
    usage = page["usage"]
    asked = {"from": usage["from"], "to": usage["to"], "breakdown": "model"}
    (total,) = _get(caller, f"{LIST}/aggregates", asked)["data"]
    quota = _get(caller, "/v1/usage/turns", {})["quota"]
    by_status = Counter(each.recording["status"] for each in producers.accepted)

    assert usage["totals"]["turns"] == total["total_turns"] == len(producers.accepted)
    assert {each["name"]: each["turns"] for each in usage["statuses"]["names"]} == total[
        "by_status"
    ]
    assert Counter(total["by_status"]) == by_status
    assert [(each["name"], each["turns"]) for each in usage["models"]["names"]] == [
        (each["key"], each["total_turns"]) for each in total["breakdown"]
    ]
    turns, _, uncharged = page["quota"]["components"]
    assert (turns["used"], turns["held"]) == (quota["turns_used"], quota["turns_reserved"])
    assert turns["used"] == len(producers.accepted) - by_status["failed"]
    assert uncharged["used"] == quota["uncharged_turns_used"] == by_status["failed"]


def assert_metrics_count_the_answers(producers: Producers, service: RunningService) -> None:
    """Check that `/metrics` has every answer, and beside them only requests without an answer.

    A worker may die, or a connection break, after the request was counted.
    """
    answered = Counter(producers.statuses())
    unknown_count = answered.pop(NO_ANSWER, 0)
    counted = _counted_answers(service)

    assert not answered - counted
    assert (counted - answered).total() <= unknown_count


def _counted_answers(service: RunningService) -> Counter[int]:
    """Return the answers to requests of producers by status, of all workers."""
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    text = plain_http.get(f"{service.base_url}/metrics", headers=headers, timeout=30).text
    counted: Counter[int] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == "turnledger_requests_total" and labels["route"].startswith(SENT_TO):
                counted[int(labels["status"])] += int(sample.value)
    return counted


def _get(caller: Caller, path: str, query: dict[str, str]) -> Any:
    answer = caller("GET", path, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()
