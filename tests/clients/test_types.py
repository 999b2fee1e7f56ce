"""The typed values of the Python package have the fields of the service's OpenAPI document."""

from dataclasses import fields
from typing import Any, get_args, get_type_hints

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
