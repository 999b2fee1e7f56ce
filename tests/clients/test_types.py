"""The typed values of the Python package have the fields of the service's OpenAPI document."""

from dataclasses import fields
from datetime import datetime
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from flask import Flask
from turnledger import models, types

from app import create_app
from app.backends import memory
from tests.servers import settings_for

# Python's class, and the schema of the document.
ANSWERS: list[tuple[type[Any], str]] = [
    (models.Interaction, "Interaction"),
    (models.AggregateBucket, "AggregateBucket"),
    (models.UsageBucket, "UsageBucket"),
    (models.Breakdown, "Share"),
    (models.Percentiles, "Percentiles"),
    (models.Limits, "Limits"),
    (models.RateLimit, "RateLimit"),
    (models.PeekedQuota, "PeekedQuota"),
    (models.Me, "Me"),
    (models.Organization, "Organization"),
    (types.Quota, "Quota"),
    (types.Usage, "InteractionUsage"),
]
BODIES: list[tuple[type[Any], str]] = [
    (types.Turn, "Turn"),
    (types.EmotionalState, "EmotionalState"),
    (types.Memory, "Memory"),
    (types.Guardrails, "Guardrails"),
]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    backend = memory.connect()
    app: Flask = create_app(settings_for(), backend)
    document: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    backend.close()
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def is_nullable(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type", [])
    parts = [part.get("type") for part in schema.get("anyOf", schema.get("oneOf", []))]
    return "null" in kinds or "null" in parts


@pytest.mark.parametrize(("kind", "name"), ANSWERS, ids=lambda each: str(each)[:40])
def test_an_answer_has_the_fields_of_its_schema(
    schemas: dict[str, Any], kind: type[Any], name: str
) -> None:
    described = schemas[name]["properties"]
    assert {each.name for each in fields(kind)} == described.keys()


@pytest.mark.parametrize(("kind", "name"), BODIES, ids=lambda each: str(each)[:40])
def test_a_body_has_the_fields_of_its_schema(
    schemas: dict[str, Any], kind: type[Any], name: str
) -> None:
    assert {each.name for each in fields(kind)} == schemas[name]["properties"].keys()


def test_what_may_be_null_is_optional(schemas: dict[str, Any]) -> None:
    names = {**vars(types), **vars(models)}
    for kind, name in ANSWERS:
        hints = get_type_hints(kind, names)
        for field, schema in schemas[name]["properties"].items():
            if field in hints and is_nullable(schema):
                assert type(None) in get_args(hints[field]), (kind.__name__, field)


KINDS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def kinds_of(hint: Any) -> set[str]:
    """Return the types of JSON that a type hint stands for, without null."""
    if get_origin(hint) in {Union, UnionType}:
        return set().union(*map(kinds_of, get_args(hint)))
    if hint is type(None):
        return set()
    if get_origin(hint) is Literal:
        return {"string"}
    if hint is datetime:
        return {"string"}
    return {"array"} if get_origin(hint) is tuple else {KINDS.get(hint, "object")}


def kinds_in(schema: dict[str, Any]) -> set[str]:
    """Return the types of JSON that a schema allows, without null."""
    if "anyOf" in schema:
        return set().union(*map(kinds_in, schema["anyOf"]))
    named = schema.get("type", "object")
    return ({named} if isinstance(named, str) else set(named)) - {"null"}


@pytest.mark.parametrize(("kind", "name"), ANSWERS + BODIES, ids=lambda each: str(each)[:40])
def test_a_field_has_the_type_and_the_values_of_its_schema(
    schemas: dict[str, Any], kind: type[Any], name: str
) -> None:
    hints = get_type_hints(kind, {**vars(types), **vars(models)})
    for field, schema in schemas[name]["properties"].items():
        hint = hints[field]
        assert kinds_of(hint) == kinds_in(schema), field
        literals = [each for each in (hint, *get_args(hint)) if get_origin(each) is Literal]
        for literal in literals:
            assert set(get_args(literal)) == set(schema["enum"]), field
