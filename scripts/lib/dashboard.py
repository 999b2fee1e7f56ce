"""Print the queries of the Grafana dashboard as recording rules, for promtool to check."""

import json
import re
from typing import Any

from scripts.lib import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "turnledger.json"


def panels() -> list[dict[str, Any]]:
    """Return the panels, rows included, in order."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def queries() -> list[str]:
    """Return the queries of all panels, with values for the variables that Grafana fills in."""
    targets = [target for panel in panels() for target in panel.get("targets", [])]
    filled = [target["expr"].replace("$__rate_interval", "1m") for target in targets]
    return [re.sub(r"\$\w+", "turnledger", query) for query in filled]


def main() -> None:
    """Print a file of rules; JSON is YAML."""
    rules = [
        {"record": f"dashboard:query_{number}", "expr": query}
        for number, query in enumerate(queries())
    ]
    print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))


if __name__ == "__main__":
    main()
