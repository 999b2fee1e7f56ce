"""Limit the characters that all ids of a turn have together.

Without this limit, clients could split a sentence over several ids. The API and the database
apply the same limit.
"""

from typing import Any

from app.http.rules import CharactersTogether

MAX_ID_CHARACTERS = 600
ID_FIELDS = (
    "user_id",
    "relationship_id",
    "personality_id",
    "usage.llm_provider",
    "usage.llm_model",
    "memory.summary_used",
    "error_code",
)
require_short_ids = CharactersTogether(ID_FIELDS, MAX_ID_CHARACTERS)


def short_ids_expression() -> dict[str, Any]:
    """Return the same bound as a MongoDB expression over a row.

    Values that are no strings count as 0: the row's schema refuses them.
    """
    return {"$lte": [{"$add": [_length(f"${field}") for field in ID_FIELDS]}, MAX_ID_CHARACTERS]}


def _length(path: str) -> dict[str, Any]:
    is_string = {"$eq": [{"$type": path}, "string"]}
    return {"$cond": [is_string, {"$strLenCP": path}, 0]}
