"""The Grafana dashboard can be imported anywhere, explains itself, and names real metrics."""

import itertools
import json
import re
from typing import Any

from flask import Flask

from scripts.lib.dashboard import DASHBOARD, panels, queries
from tests.deploy.monitoring import exposed, faults

ROWS = ["Traffic", "Admission", "Stores", "Archive and worker", "Organizations"]
VARIABLES = {"datasource", "job", "__rate_interval"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24


def charts() -> list[dict[str, Any]]:
    """Return the panels that are no rows."""
    return [panel for panel in panels() if panel["type"] != "row"]


def test_the_queries_name_only_what_metrics_have(memory_app: Flask) -> None:
    series = exposed(memory_app)
    assert queries()
    assert [fault for query in queries() for fault in faults(query, series)] == []


def test_the_rows_are_those_of_the_page() -> None:
    assert [panel["title"] for panel in panels() if panel["type"] == "row"] == ROWS


def test_every_panel_has_an_id_and_a_title_of_its_own() -> None:
    for name in ("id", "title"):
        values = [panel[name] for panel in panels()]
        assert len(set(values)) == len(values)


def test_every_chart_explains_itself_and_has_a_unit() -> None:
    for chart in charts():
        assert re.fullmatch(r"[A-Z0-9].{20,}\.", chart["description"]), chart["title"]
        assert chart["fieldConfig"]["defaults"]["unit"], chart["title"]
        assert chart["targets"], chart["title"]
        references = [target["refId"] for target in chart["targets"]]
        assert len(set(references)) == len(references)


def test_nothing_of_one_machine_is_in_it() -> None:
    text = DASHBOARD.read_text(encoding="utf-8")
    board = json.loads(text)
    variables = {variable["name"] for variable in board["templating"]["list"]}

    assert {chart["datasource"] == SOURCE for chart in charts()} == {True}
    assert set(re.findall(r"\$\{?(\w+)", text)) == VARIABLES == variables | {"__rate_interval"}
    assert "id" not in board  # Grafana gives it
    assert not re.search(r"https?://|localhost", text)


def test_every_query_asks_for_the_chosen_service() -> None:
    for chart in charts():
        for target in chart["targets"]:
            selectors = re.findall(r"turnledger_\w+(\{[^}]*)?", target["expr"])
            assert all('job="$job"' in selector for selector in selectors), target["expr"]


def test_panels_do_not_overlap_and_are_within_the_width() -> None:
    cells = [
        cell
        for box in (panel["gridPos"] for panel in panels())
        for cell in itertools.product(
            range(box["x"], box["x"] + box["w"]), range(box["y"], box["y"] + box["h"])
        )
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == WIDTH - 1
