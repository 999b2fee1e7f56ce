"""The database's own check, derived from the wire schema so that the two cannot differ.

It refuses text also from programs that write to MongoDB directly. `$jsonSchema` of MongoDB 6.0:
https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from marshmallow import Schema, fields

from app.http.fields import Boolean, Integer, ListOf, Number, Part
from app.http.rules import ULID_PATTERN
from app.interactions.id_characters import short_ids_expression
from app.interactions.model import PEOPLE
from app.interactions.schemas import (
    IDENTIFIER,
    MAX_TURNS_CONSUMED,
    ContentSchema,
    RowUsageSchema,
)

BsonSchema = dict[str, Any]
_WHOLE = ["int", "long"]
# A keyed hash in the place of a user's or a relationship's id. The wire schema has no `~`.
_PSEUDONYM = r"~[A-Za-z0-9_-]{22}"
_NULL: BsonSchema = {"bsonType": "null"}
_IS_ERASED: BsonSchema = {"required": ["erased"]}


@cache
def row_validator() -> dict[str, Any]:
    """Return the whole validator of `interactions`; callers share it and must not change it."""
    return {"$jsonSchema": bson_schema(), "$expr": short_ids_expression()}


def bson_schema() -> BsonSchema:
    """Return the `$jsonSchema` of a row of `interactions`."""
    content = ContentSchema()
    content.fields["usage"] = Part(RowUsageSchema)
    row = _object(content)
    row["properties"] |= {
        "_id": {"bsonType": "string", "pattern": rf"^{ULID_PATTERN}\z"},
        "account": {
            "bsonType": "string",
            "pattern": rf"^org_{ULID_PATTERN}:(live|test)\z",
        },
        "turn_key": {"bsonType": "string", "pattern": r"^[0-9A-HJKMNP-TV-Z]{16}\z"},
        "recorded_at": {"bsonType": "long", "minimum": 0},
        "quota_period": {"bsonType": "string", "pattern": r"^\d{4}-\d{2}-\d{2}\z"},
        "day": {"bsonType": "string", "pattern": r"^\d{4}-\d{2}-\d{2}\z"},
        "charged": {"bsonType": _WHOLE, "minimum": 0, "maximum": MAX_TURNS_CONSUMED},
        "uncharged": {"bsonType": _WHOLE, "minimum": 0, "maximum": 1},
        "key_id": _or_null({"bsonType": "string", "pattern": rf"^key_{ULID_PATTERN}\z"}),
    }
    row["required"] = sorted(row["properties"])
    row["properties"] |= {
        "open": {"bsonType": _WHOLE, "minimum": 0},
        "expires_at": {"bsonType": "date"},
        # True: recorded without Redis, `recorded_at` and `quota_period` by the worker's own clock.
        "degraded": {"bsonType": "bool"},
        # True: user and relationship were erased.
        "erased": {"enum": [True]},
    }
    row["properties"] |= dict.fromkeys(PEOPLE, _or_null(_person()))
    row["anyOf"] = [
        {"not": _IS_ERASED, "properties": {"mode": {"enum": ["stateless"]}}},
        {"not": _IS_ERASED, "properties": dict.fromkeys(PEOPLE, _person())},
        {**_IS_ERASED, "properties": dict.fromkeys(PEOPLE, _NULL)},
    ]
    return row


def _person() -> BsonSchema:
    return {"bsonType": "string", "pattern": rf"{_anchored(IDENTIFIER)}|^{_PSEUDONYM}\z"}


def _object(schema: Schema) -> BsonSchema:
    properties = {name: _value(field) for name, field in schema.fields.items()}
    return {
        "bsonType": "object",
        "additionalProperties": False,
        "required": sorted(properties),
        "properties": properties,
    }


def _value(field: fields.Field[Any]) -> BsonSchema:
    rules = _rules(field)
    if not field.allow_none:
        return rules
    return _or_null(rules)


def _or_null(rules: BsonSchema) -> BsonSchema:
    return {"oneOf": [_NULL, rules]}


def _rules(field: fields.Field[Any]) -> BsonSchema:
    if isinstance(field, Part):
        return _object(field.schema)
    if isinstance(field, ListOf):
        return _bounds(field, "Items") | {
            "bsonType": "array",
            "items": _value(field.inner),
        }
    if isinstance(field, Boolean):
        return {"bsonType": "bool"}
    if isinstance(field, Integer):
        return _bounds(field, "imum") | {"bsonType": _WHOLE}
    if isinstance(field, Number):
        return _bounds(field, "imum") | {"bsonType": "double"}
    return _string(field)


def _bounds(field: fields.Field[Any], suffix: str) -> BsonSchema:
    (bounds,) = field.validators
    found: Mapping[str, Any] = vars(bounds)
    return {f"min{suffix}": found["min"], f"max{suffix}": found["max"]}


def _string(field: fields.Field[Any]) -> BsonSchema:
    (rule,) = field.validators
    if choices := getattr(rule, "choices", None):
        return {"enum": list(choices)}
    return {"bsonType": "string", "pattern": _anchored(vars(rule)["regex"].pattern)}


def _anchored(pattern: str) -> str:
    # In the database's dialect `$` also matches before a final line feed; `\z` does not.
    return pattern.removesuffix("$") + r"\z"
