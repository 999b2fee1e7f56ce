"""Limit the characters that all ids of a turn have together.

Without this limit, clients could split a sentence over several ids. The API and the database
apply the same limit.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from app.http.rules import refuse

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
_PATHS = tuple(field.rpartition(".")[::2] for field in ID_FIELDS)


def require_short_ids(content: Mapping[str, Any]) -> None:
    """Raise ValidationError if the ids of a turn have too many characters together."""
    characters = 0
    for part, name in _PATHS:
        holder = (content.get(part) or {}) if part else content
        characters += len(holder.get(name) or "")
    if characters > MAX_ID_CHARACTERS:
        raise _too_long(characters)


def _too_long(characters: int) -> ValidationError:
    named = ", ".join(f"`{field}`" for field in ID_FIELDS)
    return refuse(
        "too_long_together",
        f"may have at most {MAX_ID_CHARACTERS} characters in {named} together and has "
        f"{characters}: send shorter ones",
        {"max_characters": MAX_ID_CHARACTERS, "fields": list(ID_FIELDS)},
    )


def short_ids_expression() -> dict[str, Any]:
    """Return the same bound as a MongoDB expression over a row.

    Values that are no strings count as 0: the row's schema refuses them.
    """
    return {"$lte": [{"$add": [_length(f"${field}") for field in ID_FIELDS]}, MAX_ID_CHARACTERS]}


def _length(path: str) -> dict[str, Any]:
    is_string = {"$eq": [{"$type": path}, "string"]}
    return {"$cond": [is_string, {"$strLenCP": path}, 0]}
