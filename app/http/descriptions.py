"""Describe what a route reads, for the OpenAPI document."""

from typing import Any

from marshmallow import Schema


def parameters_of(schema: type[Schema]) -> list[dict[str, Any]]:
    """Describe the query parameters that `schema` reads."""
    return [{"in": "query", "schema": schema}]


def body_of(schema: type[Schema]) -> dict[str, Any]:
    """Describe the JSON body that `schema` reads."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}
