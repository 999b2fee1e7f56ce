"""The counter of a request's way counts our functions, each once, and no others."""

import json
import re
from functools import partial

import pytest
from flask import Flask

from scripts.lib import ROOT
from scripts.lib.way import counting, requests_of, way_of

HERE = __file__


def _outer(count: int) -> list[int]:
    return [_inner(number) for number in range(count)]


def _inner(number: int) -> int:
    return max([number], key=lambda each: each)


def test_a_function_counts_once_and_a_lambda_or_comprehension_not_at_all() -> None:
    with counting((HERE,)) as steps:
        _outer(3)
        json.dumps({})
    assert {step.name for step in steps} == {"_outer", "_inner"}
    assert {step.file for step in steps} == {"tests/unit/scripts/test_way.py"}


def test_nothing_counts_after_the_block() -> None:
    with counting((HERE,)) as steps:
        pass
    _outer(1)
    assert steps == set()


def test_what_only_the_first_requests_do_does_not_count() -> None:
    seen: list[int] = []

    def send() -> int:
        seen.append(1)
        return _inner(200) if len(seen) > 3 else _outer(201)[200]

    names = {step.name.rpartition(".")[2] for step in way_of(send, (HERE,))}
    assert names == {"send", "_inner"}


def test_a_request_that_is_refused_is_not_counted() -> None:
    with pytest.raises(RuntimeError, match="401"):
        way_of(partial(_inner, 401))


def test_the_way_of_each_request_is_as_short_as_the_page_says(memory_app: Flask) -> None:
    page = (ROOT / "docs" / "internals" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z]+ /\S+)` \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    most = {name: (int(files), int(functions)) for name, files, functions in rows}
    ways = {name: way_of(send) for name, send in requests_of(memory_app).items()}

    assert most.keys() == ways.keys()
    counts = {name: (len({step.file for step in way}), len(way)) for name, way in ways.items()}
    longer = {
        name: (files, functions)
        for name, (files, functions) in counts.items()
        if files > most[name][0] or functions > most[name][1]
    }
    assert longer == {}


def test_each_request_has_a_way_through_the_application(memory_app: Flask) -> None:
    ways = {name: way_of(send) for name, send in requests_of(memory_app).items()}
    assert {"GET /v1/me", "GET /v1/interactions", "POST /v1/interactions"} == set(ways)
    files = {step.file for steps in ways.values() for step in steps}
    assert {file for file in files if not file.startswith(("app/", "config/"))} == set()
    assert len(ways["POST /v1/interactions"]) > len(ways["GET /v1/me"]) > 10
