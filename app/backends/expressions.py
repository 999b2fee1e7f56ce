"""Build expressions of MongoDB's aggregations that several rooms need."""

from typing import Any


def whole_number(path: str) -> dict[str, Any]:
    """Return an expression for the whole number at `path` of a row; 0 if there is none."""
    return {"$convert": {"input": f"${path}", "to": "int", "onError": 0, "onNull": 0}}
