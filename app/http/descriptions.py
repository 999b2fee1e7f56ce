"""Describe what a route reads, for the OpenAPI document."""

from typing import Any

from marshmallow import Schema, fields

from app.http.fields import Described


def parameters_of(schema: type[Schema]) -> list[dict[str, Any]]:
    """Describe the query parameters that `schema` reads."""
    return [{"in": "query", "schema": schema}]


def body_of(schema: type[Schema]) -> dict[str, Any]:
    """Describe the JSON body that `schema` reads."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}


class DescribedOnly(Described, fields.Nested):
    """An object that OpenAPI describes here and that the route itself reads."""

    def accept(self, value: Any) -> Any:
        """Return `value` unchanged."""
        return value

    def deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        """Return `value` unchanged."""
        return value
