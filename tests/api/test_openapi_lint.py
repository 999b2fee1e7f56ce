"""Rules of linters and generators of clients for `/openapi.json`, without Node.

`scripts/generators` runs the tools themselves.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.http.answer_fields import MAX_TOTAL
from app.policies import POLICIES
from app.reference import document as reference
from app.reference.operations import OPERATIONS
from tests.api.openapi import (
    UNDESCRIBED,
    Document,
    operations,
    resolve,
    schemas_of_answers,
    schemas_of_requests,
)
from tests.architecture.vocabulary import is_verb_first

# Names for programs: a change breaks generated clients.
OPERATION_IDS = {
    *("get_health", "get_readiness", "get_metrics", "list_plans", "get_me"),
    *("list_api_keys", "create_api_key", "get_api_key", "revoke_api_key"),
    *("list_interactions", "get_interaction", "record_interaction", "record_interactions_batch"),
    *("aggregate_interactions", "get_turns_usage", "get_active_relationships"),
    "receive_traces",
    *("get_limits", "get_credits", "get_subscription"),
    *("reserve_turn", "complete_turn", "complete_turns_batch", "cancel_turn"),
}
# Answers leave these fields out, each under a condition that its description has.
OPTIONAL_IN_ANSWERS = {
    "ConflictDetails": {"limit"},
    "UsageBucket": {"breakdown", "breakdown_complete"},
    "AggregateBucket": {"breakdown", "breakdown_complete"},
    "BatchResult": {"interaction_id", "error"},
    "Unavailable": {"stores", "schema"},
}
MOST_SUMMARY = 72


@pytest.fixture
def document(memory_app: Flask) -> Document:
    published: Document = memory_app.test_client().get("/openapi.json").get_json()
    return published


def properties(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield the path and the schema of every property of a component."""
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            yield f"{name}.{field}", described


def objects(node: Any) -> Iterator[Document]:
    """Yield every object below a node, and the node itself."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for inner in node if isinstance(node, list) else []:
        yield from objects(inner)


def kinds_of(schema: Document) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def test_operation_ids_are_unique_and_do_not_change(document: Document) -> None:
    found = [operation["operationId"] for *_, operation in operations(document)]

    assert sorted(found) == sorted(OPERATION_IDS)


def test_every_route_has_the_name_of_an_operation() -> None:
    described = {name for name in POLICIES if not name.startswith(UNDESCRIBED)}
    assert set(OPERATIONS) == described


def test_the_document_names_its_license_server_and_subject(document: Document) -> None:
    info = document["info"]

    assert info["license"]["identifier"] == "Apache-2.0"
    assert info["description"]
    assert [server["url"] for server in document["servers"]] == ["/"]


def test_every_operation_has_a_summary_a_description_and_one_tag(document: Document) -> None:
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}

    assert all(tags.values())
    assert {tag for *_, operation in operations(document) for tag in operation["tags"]} == set(tags)
    for *_, operation in operations(document):
        name = operation["operationId"]
        assert len(operation["tags"]) == 1, name
        assert is_verb_first(operation["summary"]), name
        assert len(operation["summary"]) <= MOST_SUMMARY, name
        assert operation["description"].strip(), name


def test_every_operation_has_a_good_answer_and_errors(document: Document) -> None:
    for *_, operation in operations(document):
        statuses = set(operation["responses"])
        assert any(status.startswith("2") for status in statuses), operation["operationId"]
        assert statuses >= {"400", "500", "default"}, operation["operationId"]


def test_everything_that_has_a_name_has_a_description(document: Document) -> None:
    components = document["components"]
    named = [
        *((f"schemas.{name}", schema) for name, schema in components["schemas"].items()),
        *((f"headers.{name}", header) for name, header in components["headers"].items()),
        *((f"responses.{name}", answer) for name, answer in components["responses"].items()),
        *((f"securitySchemes.{name}", one) for name, one in components["securitySchemes"].items()),
        *properties(document),
    ]
    for _, _, operation in operations(document):
        prefix = operation["operationId"]
        named += [(f"{prefix}.{one['name']}", one) for one in operation["parameters"]]
        for status, answer in operation["responses"].items():
            named.append((f"{prefix}.{status}", resolve(document, answer)))

    assert [name for name, described in named if not described.get("description")] == []


def test_no_description_is_a_mere_phrase_of_http(document: Document) -> None:
    for *_, operation in operations(document):
        for status, answer in operation["responses"].items():
            words = resolve(document, answer)["description"]
            assert words not in {"OK", "Created", "No Content"}, (operation["operationId"], status)


def test_every_number_has_bounds(document: Document) -> None:
    numbers = {
        name: schema
        for name, schema in properties(document)
        if kinds_of(schema) & {"integer", "number"}
    }

    assert len(numbers) > 50
    assert [name for name, schema in numbers.items() if "minimum" not in schema] == []
    assert [name for name, schema in numbers.items() if schema["maximum"] > MAX_TOTAL] == []


def test_every_string_is_one_of_a_list_or_has_a_form(document: Document) -> None:
    bounds = {"enum", "pattern", "minLength"}
    strings = [(name, one) for name, one in properties(document) if "string" in kinds_of(one)]

    assert [name for name, schema in strings if not bounds & set(schema)] == []


def test_every_list_is_described_with_its_elements(document: Document) -> None:
    lists = [(name, one) for name, one in properties(document) if "array" in kinds_of(one)]

    assert lists
    assert [name for name, schema in lists if not schema.get("items")] == []


def test_fields_of_answers_are_required(document: Document) -> None:
    names = schemas_of_answers(document)

    assert set(OPTIONAL_IN_ANSWERS) <= names
    for name in names:
        schema = document["components"]["schemas"][name]
        optional = set(schema["properties"]) - set(schema.get("required", []))
        assert optional == OPTIONAL_IN_ANSWERS.get(name, set()), name


def test_fields_of_answers_have_no_default(document: Document) -> None:
    names = schemas_of_answers(document) - schemas_of_requests(document)
    found = [
        name
        for name, schema in properties(document)
        if name.partition(".")[0] in names and "default" in schema
    ]

    assert found == []


def test_a_field_of_a_request_with_a_default_is_not_required(document: Document) -> None:
    names = schemas_of_requests(document)
    assert names >= {"Turn", "Reservation", "Completion", "Batch", "NewApiKey"}
    for name in names:
        schema = document["components"]["schemas"][name]
        with_default = {field for field, one in schema["properties"].items() if "default" in one}
        assert not with_default & set(schema.get("required", [])), name


def test_null_is_a_type_and_never_a_default(document: Document) -> None:
    without_examples = document | {"components": document["components"] | {"examples": {}}}
    for schema in objects(without_examples):
        assert "nullable" not in schema
        assert schema.get("default", ...) is not None


def test_every_component_is_used(document: Document) -> None:
    text = str(document)
    unused = [
        f"{kind}.{name}"
        for kind, components in document["components"].items()
        for name in components
        if kind != "securitySchemes" and f"#/components/{kind}/{name}'" not in text
    ]

    assert unused == []


def test_a_start_does_not_make_the_document(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    made: list[object] = []
    monkeypatch.setattr(reference, "_make", lambda blueprints: made.append(blueprints) or "{}")

    app: Flask = request.getfixturevalue("memory_app")

    assert not made
    assert app.test_client().get("/openapi.json").status_code == 200
    assert len(made) == 1
