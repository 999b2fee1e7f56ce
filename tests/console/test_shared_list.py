"""All views of the list of organizations share one read of all counters."""

from collections import Counter
from itertools import count

import pytest
from flask import Flask

from app.admission.peek import Peek
from app.console import shared_reads
from app.tenancy.service import Organizations
from tests.callers import new_caller
from tests.console.operator import Operator

LIST = "/console/organizations"
VIEWS = ("", ".json", "?q=acme", "?order=name", "?order=name&page=2", "?q=free&page=9")


@pytest.fixture
def reads(memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the reads of all organizations and of counters; shared ones are kept for a minute."""
    reads = Counter[str]()
    for kind, name in ((Organizations, "list_"), (Peek, "quotas")):

        def counted(*given: object, read: object = getattr(kind, name), name: str = name) -> object:
            reads[name] += 1
            return read(*given)  # type: ignore[operator]

        monkeypatch.setattr(kind, name, counted)
    clock = count()
    slow = shared_reads.SharedReads(lambda: float(next(clock)))
    monkeypatch.setitem(memory_app.extensions, shared_reads._EXTENSION, slow)
    return reads


def test_views_of_the_list_share_a_read(own_operator: Operator, reads: Counter[str]) -> None:
    new_caller(own_operator.app)
    before = dict(reads)
    answers = [own_operator.client.get(f"{LIST}{view}") for view in VIEWS]

    assert {answer.status_code for answer in answers} == {200}
    assert reads == {"list_": before.get("list_", 0) + 1, "quotas": before.get("quotas", 0) + 1}
    json = [own_operator.client.get(f"{LIST}.json?page={page}").get_json() for page in (1, 2)]
    assert json[0]["as_of"] == json[1]["as_of"]


def test_each_environment_has_its_own_read(own_operator: Operator, reads: Counter[str]) -> None:
    new_caller(own_operator.app)
    before = reads["quotas"]
    for _ in range(2):
        for environment in ("live", "test"):
            data = own_operator.client.get(f"{LIST}.json?environment={environment}").get_json()
            assert (data["environment"], data["all"]) == (environment, 1)
    assert reads["quotas"] == before + 2
