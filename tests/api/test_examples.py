"""The examples of `/openapi.json` are what the service answers, and conform to the document."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask

from app.http.problems import CODES
from tests.api.openapi import Document, operations, resolve
from tests.examples.files import recorded, stored

# It answers text: the counters of the process.
WITHOUT_EXAMPLE = {"get_metrics"}
# Their good answer is a 204, and they take no body.
WITHOUT_CONTENT = {"revoke_api_key", "cancel_turn"}
JSON = "application/json"
# Headers that only some answers with a status have.
SOMETIMES = re.compile(r"X-Quota-|X-Export-Token$|ETag$|Accept-Encoding$|Allow$")


@pytest.fixture
def document(memory_app: Flask) -> Document:
    published: Document = memory_app.test_client().get("/openapi.json").get_json()
    return published


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    return stored()


def exchanges(files: dict[str, Any]) -> Iterator[tuple[str, str, Document]]:
    """Yield the operation's or error's name, the status, and the exchange."""
    for name, content in files.items():
        by_status = (
            {str(content["response"]["status"]): content} if "response" in content else content
        )
        for status, exchange in by_status.items():
            yield name.removesuffix(".json"), status, exchange


def operation_of(document: Document, request: Document) -> Document | None:
    """Return the operation of a request; None for a method that the route does not take."""
    method, _, target = request["line"].partition(" ")
    path = target.partition("?")[0]
    found = [
        operation
        for template, its_method, operation in operations(document)
        if its_method == method.lower() and re.fullmatch(re.sub(r"{\w+}", r"[^/]+", template), path)
    ]
    fixed = [one for one in found if not any(each["in"] == "path" for each in one["parameters"])]
    return next(iter([*fixed, *found]), None)


def validator(document: Document, schema: Document) -> Any:
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole)


def test_a_second_run_records_the_same_examples(files: dict[str, Any]) -> None:
    assert recorded() == files, "run `.venv/bin/python -m tests.examples`, and look at the changes"


def test_every_answer_of_an_operation_has_an_example(document: Document) -> None:
    for *_, operation in operations(document):
        name = operation["operationId"]
        bodies = [
            (status, answer["content"])
            for status, answer in operation["responses"].items()
            if status.isdigit() and "content" in answer
        ]
        bodies += (
            [("body", operation["requestBody"]["content"])] if "requestBody" in operation else []
        )
        shown = [status for status, content in bodies if content.get(JSON, {}).get("examples")]
        expected = [status for status, content in bodies if JSON in content]
        assert bool(expected) is (name not in WITHOUT_EXAMPLE | WITHOUT_CONTENT), name
        assert shown == expected, name


def test_every_error_code_has_an_example(document: Document) -> None:
    examples = document["components"]["examples"]

    assert set(examples) == set(CODES)
    for code, example in examples.items():
        error = example["value"]["error"]
        assert (error["code"], error["type"]) == (code, CODES[code].type)


def test_every_example_conforms_to_its_schema(document: Document) -> None:
    checked = 0
    for *_, operation in operations(document):
        answers = [resolve(document, answer) for answer in operation["responses"].values()]
        for body in (operation.get("requestBody", {}), *answers):
            medium = body.get("content", {}).get(JSON, {})
            for example in medium.get("examples", {}).values():
                validator(document, medium["schema"]).validate(resolve(document, example)["value"])
                checked += 1
    assert checked > 200


def test_a_schema_refuses_a_field_that_it_does_not_describe(document: Document) -> None:
    turn = {**stored()["record_interaction.json"]["201"]["request"]["body"], "message": "Hi"}
    schema = {"$ref": "#/components/schemas/Turn"}

    assert not validator(document, schema).is_valid(turn)
    without_user = {
        name: value for name, value in turn.items() if name not in {"message", "user_id"}
    }
    assert not validator(document, schema).is_valid(without_user)


def test_the_headers_of_each_answer_are_those_that_are_described(
    document: Document, files: dict[str, Any]
) -> None:
    for name, status, exchange in exchanges(files):
        operation = operation_of(document, exchange["request"])
        if operation is None:
            assert name == "errors/method_not_allowed"
            continue
        described = resolve(document, operation["responses"][status])["headers"]
        sent = set(exchange["response"]["headers"])
        required = {
            header for header, one in described.items() if resolve(document, one).get("required")
        }
        assert required <= sent, name
        if int(status) < 500:  # a fault may come before or after the charge
            assert sent <= set(described), name
            assert {one for one in set(described) - sent if not SOMETIMES.match(one)} == set(), name


def test_headers_conform_to_their_schemas(document: Document, files: dict[str, Any]) -> None:
    headers = document["components"]["headers"]
    for name, _, exchange in exchanges(files):
        for header, text in exchange["response"]["headers"].items():
            schema = headers.get(header, {}).get("schema", {"type": "string"})
            value = text if schema["type"] == "string" else float(text)
            assert validator(document, schema).is_valid(value), (name, header)
