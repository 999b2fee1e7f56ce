"""Decide from the header `Accept` in which form a list is sent.

JSON is what every client gets that does not name an export: wildcards never choose one.
"""

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
EXPORTS = (NDJSON, CSV)
_WILDCARDS = ("application/*", "*/*")


def export_type(accept: str) -> str | None:
    """Return the media type of the export that `accept` prefers to JSON; None for JSON.

    | `accept` | result |
    | --- | --- |
    | `*/*`, `text/*` | None |
    | `text/csv` | CSV |
    | `text/csv, */*` | CSV: it is named, with the same quality |
    | `text/csv, application/json` | None: JSON is named as well, with the same quality |
    | `text/csv;q=0.5, */*` | None |
    """
    qualities: dict[str, float] = {}
    for value, quality in parse_accept_header(accept, Accept):  # the best quality first
        qualities.setdefault(value.partition(";")[0].strip().lower(), quality)
    chosen = max(EXPORTS, key=lambda name: qualities.get(name, 0))
    quality = qualities.get(chosen, 0)
    if JSON in qualities:
        return chosen if quality > qualities[JSON] else None
    least = max(qualities.get(name, 0) for name in _WILDCARDS)
    return chosen if quality > 0 and quality >= least else None
