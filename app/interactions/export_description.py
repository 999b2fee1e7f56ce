"""Describe exports for the OpenAPI document of the list."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.http.accept import CSV, NDJSON
from app.http.cursors import CURSOR
from app.interactions.export import TOKEN_HEADER
from app.interactions.ids import INTERACTION_ID

EXPORT_PARAMETERS: Sequence[Mapping[str, Any]] = [
    {
        "in": "query",
        "name": "after",
        "description": "Resumes an export: the last interaction id that arrived. Only with an "
        f"export, and together with `{TOKEN_HEADER}`.",
        "schema": {"type": "string", "pattern": INTERACTION_ID},
    },
    {
        "in": "header",
        "name": TOKEN_HEADER,
        "description": "The token of an export's answer, to read the same turns again or, with "
        "`after`, the rest of them. It belongs to one account and one set of filters, and is valid "
        "for 24 hours. A page does not read it.",
        # Without the pattern of a token: a page accepts any value.
        "schema": {"type": "string"},
    },
]
_NDJSON_LINES = (
    'Each line is an item as a page shows it. The last line is `{"trailer": {"count", "sha256", '
    '"last_interaction_id"}}`: the number of lines before it, and the SHA-256 of their bytes. An '
    "answer without it is not complete."
)
_CSV_LINES = (
    "The first line names the columns; a field within an object has a dot in its name. The last "
    "line is `trailer`, the number of turns, the SHA-256 of the bytes of all lines before it, and "
    "the last id. An answer without it is not complete."
)
EXPORT_RESPONSES: Mapping[int, Mapping[str, Any]] = {
    200: {
        "content": {
            NDJSON: {"schema": {"type": "string", "description": _NDJSON_LINES}},
            CSV: {"schema": {"type": "string", "description": _CSV_LINES}},
        },
        "headers": {
            TOKEN_HEADER: {
                "description": "The token to resume an export. A page has none.",
                "schema": {"type": "string", "pattern": CURSOR},
            }
        },
    }
}
