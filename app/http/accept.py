"""Decide from the header `Accept` in which form an answer is sent.

JSON is what every client gets that does not name another form: wildcards never choose one. Nor does
a header of more than `MOST_CHARACTERS`: to read 16 KiB of it takes up to 35 ms.
"""

from werkzeug.datastructures import Accept, MIMEAccept
from werkzeug.http import parse_accept_header

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
EXPORTS = (NDJSON, CSV)
# Browsers send some 130.
MOST_CHARACTERS = 1_024
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
    if len(accept) > MOST_CHARACTERS:
        return None
    qualities: dict[str, float] = {}
    for value, quality in parse_accept_header(accept, Accept):  # the best quality first
        qualities.setdefault(value.partition(";")[0].strip().lower(), quality)
    chosen = max(EXPORTS, key=lambda name: qualities.get(name, 0))
    quality = qualities.get(chosen, 0)
    if JSON in qualities:
        return chosen if quality > qualities[JSON] else None
    least = max(qualities.get(name, 0) for name in _WILDCARDS)
    return chosen if quality > 0 and quality >= least else None


def prefers_page(accept: str) -> bool:
    """Return True if `accept` prefers HTML to JSON."""
    if len(accept) > MOST_CHARACTERS:
        return False
    accepted = parse_accept_header(accept, MIMEAccept)
    return accepted["text/html"] > accepted[JSON]
