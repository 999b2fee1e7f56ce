"""The document describes exactly the rules that the service enforces."""

import re
from typing import Any

import pytest
from flask import Flask

from app.http.instants import parse_ms
from app.http.problems import CONFLICT_REASONS
from tests.api.openapi import Document, operations, resolve

INSTANTS = ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.123+01:00", "2026-11-23T10:00Z")
DAY = "2026-11-23"
NO_INSTANTS = ("", " ", "now", "2026-11-23T10:00:00+0000", "20261123T100000Z", f"{INSTANTS[0]}\n")
RANGES = ("/v1/interactions", "/v1/interactions/aggregates", "/v1/usage/turns")
BODIES = ("Turn", "Completion", "BatchedCompletion", "Reservation")


@pytest.fixture
def document(memory_app: Flask) -> Document:
    published: Document = memory_app.test_client().get("/openapi.json").get_json()
    return published


def schema_of(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def parameters(document: Document, path: str) -> dict[str, Document]:
    described = document["paths"][path]["get"]["parameters"]
    return {parameter["name"]: parameter["schema"] for parameter in described}


@pytest.mark.parametrize("name", BODIES)
def test_a_stateful_turn_requires_user_and_relationship(document: Document, name: str) -> None:
    schema = schema_of(document, name)
    stateful = schema["then"]

    assert schema["if"] == {"properties": {"mode": {"const": "stateful"}}, "required": ["mode"]}
    assert set(stateful["required"]) == {"user_id", "relationship_id"}
    for person in stateful["required"]:
        assert stateful["properties"][person] == {"type": "string"}, "null is no person"


def test_an_element_of_a_batch_is_a_recording(document: Document) -> None:
    elements = schema_of(document, "Batch")["properties"]["interactions"]

    assert elements["items"] == {"$ref": "#/components/schemas/Turn"}
    assert (elements["minItems"], elements["maxItems"]) == (1, 500)
    content = document["paths"]["/v1/interactions"]["post"]["requestBody"]["content"]
    assert content["application/json"]["schema"] == elements["items"]


def test_a_result_of_a_batch_is_an_id_or_an_error(document: Document) -> None:
    result = schema_of(document, "BatchResult")

    assert result["required"] == ["status"]
    error = resolve(document, result["properties"]["error"])
    assert (
        set(error["properties"])
        == set(error["required"])
        == {
            *("code", "message", "type", "details"),
        }
    )


@pytest.mark.parametrize("path", RANGES)
@pytest.mark.parametrize("name", ["from", "to"])
def test_a_bound_is_a_day_or_an_instant_and_not_empty(
    document: Document, path: str, name: str
) -> None:
    schema = parameters(document, path)[name]

    assert schema["minLength"] == len(DAY)
    for text in (*INSTANTS, DAY):
        assert re.search(schema["pattern"], text), text
        assert parse_ms(text, allow_date=True)
    for text in NO_INSTANTS:
        assert re.fullmatch(schema["pattern"], text) is None, text


def test_the_instant_of_a_turn_may_not_be_a_date(document: Document) -> None:
    schema = schema_of(document, "Turn")["properties"]["occurred_at"]

    assert schema["format"] == "date-time"
    for text in (DAY, *NO_INSTANTS):
        assert re.fullmatch(schema["pattern"], text) is None, text
    for text in INSTANTS:
        assert re.search(schema["pattern"], text), text


@pytest.mark.parametrize("path", RANGES[:2])
@pytest.mark.parametrize("name", ["user_id", "relationship_id"])
def test_a_filter_is_not_empty(document: Document, path: str, name: str) -> None:
    pattern = parameters(document, path)[name]["pattern"]

    assert re.search(pattern, "u_42")
    assert re.search(pattern, "") is None


@pytest.mark.parametrize("name", BODIES)
def test_an_integer_of_a_body_is_bounded_and_says_how_it_is_written(
    document: Document, name: str
) -> None:
    found = list(integers(document, schema_of(document, name)))

    assert found
    for schema in found:
        assert {"minimum", "maximum", "description"} <= set(schema)
    assert "`374`, not `374.0`" in document["info"]["description"]


def integers(document: Document, schema: Document) -> Any:
    """Yield every integer of an object and of the objects inside it."""
    for inner in schema.get("properties", {}).values():
        for each in [inner, *inner.get("anyOf", [])]:
            yield from integers(document, resolve(document, each))
        if "integer" in inner.get("type", []):
            yield inner


@pytest.mark.parametrize(
    "name",
    [
        *("Interaction", "InteractionUsage", "InteractionPage", "BatchAnswer"),
        *("Me", "ApiKey", "ApiKeyList", "Plan"),
    ],
)
def test_all_fields_of_an_answer_are_required(document: Document, name: str) -> None:
    schema = schema_of(document, name)
    assert set(schema["required"]) == set(schema["properties"])


def test_every_409_names_its_reason_out_of_a_list(document: Document) -> None:
    answers = [
        resolve(document, operation["responses"]["409"])
        for _, _, operation in operations(document)
        if "409" in operation["responses"]
    ]

    assert answers
    for answer in answers:
        schema = answer["content"]["application/json"]["schema"]
        for name in ("error", "details"):
            schema = resolve(document, resolve(document, schema)["properties"][name])
        assert schema["properties"]["reason"]["enum"] == list(CONFLICT_REASONS)
        assert schema["required"] == ["reason"]
