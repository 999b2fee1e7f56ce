"""`/openapi.json`: a valid OpenAPI 3.1 description of every route."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask
from flask_smorest import Api, Blueprint

from app.access import POLICIES, Door
from app.http.problems import CODES
from app.reference import document as reference
from tests.api.openapi import UNDESCRIBED, Document, operations, resolve
from tests.callers import new_caller
from tests.turns import reservation, stateful

# The fixed fields of OpenAPI 3.1 that this document may use.
OF_DOCUMENT = {
    *("openapi", "info", "servers", "paths", "components", "security", "tags"),
    "externalDocs",
}
OF_PATH = {"parameters", "get", "put", "post", "delete", "patch"}
OF_OPERATION = {
    *("tags", "summary", "description", "operationId", "parameters", "requestBody", "responses"),
    *("deprecated", "security"),
}
OF_PARAMETER = {"name", "in", "description", "required", "schema"}
OF_RESPONSE = {"description", "headers", "content"}
# JSON Schema 2020-12; `nullable` and a boolean `exclusiveMinimum` were OpenAPI 3.0's.
OF_SCHEMA = {
    *("type", "enum", "const", "anyOf", "allOf", "oneOf", "properties", "required", "items"),
    *("additionalProperties", "pattern", "minLength", "maxLength", "minItems", "maxItems"),
    *("minimum", "maximum", "format", "default", "title", "description", "$ref", "readOnly"),
    *("if", "then"),
}
TYPES = {"null", "boolean", "object", "array", "number", "string", "integer"}
SECURITY: dict[Door, list[Any]] = {
    Door.PROBE: [],
    Door.PUBLIC: [],
    Door.OPERATOR: [{"operatorToken": []}],
    Door.METERED: [{"apiKey": []}],
    Door.PEEKING: [{"apiKey": []}],
    Door.RECORDING: [{"apiKey": []}],
}
# Fields that only answers to a parameter have.
ONLY_IF_ASKED = {"breakdown", "breakdown_complete"}


@pytest.fixture
def document(memory_app: Flask) -> Document:
    answer = memory_app.test_client().get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    payload: Document = answer.get_json()
    return payload


def routes(app: Flask) -> dict[tuple[str, str], str]:
    """Map path and method, as OpenAPI writes them, to the endpoint."""
    return {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower()): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith(UNDESCRIBED)
    }


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    for inner in node if isinstance(node, list) else []:
        yield from references(inner)


def schemas(document: Document) -> Iterator[Document]:
    """Yield every schema, also those inside others."""
    waiting = list(document["components"]["schemas"].values())
    for _, _, operation in operations(document):
        waiting += [parameter["schema"] for parameter in operation["parameters"]]
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            content = resolve(document, body).get("content", {})
            waiting += [medium["schema"] for medium in content.values()]
    while waiting:
        schema = waiting.pop()
        yield schema
        waiting += schema.get("properties", {}).values()
        waiting += [inner for name in ("anyOf", "allOf", "oneOf") for inner in schema.get(name, [])]
        waiting += [schema["items"]] if "items" in schema else []


def test_every_route_and_method_is_described_and_nothing_else(
    memory_app: Flask, document: Document
) -> None:
    described = {(path, method) for path, method, _ in operations(document)}

    assert described == set(routes(memory_app))


def test_the_document_has_the_shape_of_openapi_3_1(document: Document) -> None:
    assert set(document) <= OF_DOCUMENT
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"].keys() >= {"title", "version"}
    names = {tag["name"] for tag in document["tags"]}
    for item in document["paths"].values():
        assert set(item) <= OF_PATH
    for path, method, operation in operations(document):
        assert set(operation) <= OF_OPERATION, (path, method)
        assert operation["summary"]
        assert set(operation["tags"]) <= names
        assert operation["responses"]


def test_every_reference_has_a_target(document: Document) -> None:
    found = set(references(document))

    assert "#/components/schemas/ErrorEnvelope" in found
    assert all(resolve(document, {"$ref": reference}) for reference in found)


def test_every_schema_is_json_schema_2020_12(document: Document) -> None:
    for schema in schemas(document):
        assert set(schema) <= OF_SCHEMA, schema
        kinds = schema.get("type", [])
        assert {kinds} if isinstance(kinds, str) else set(kinds) <= TYPES
        assert set(schema.get("required", [])) <= set(schema.get("properties", {})), schema
        re.compile(schema.get("pattern", ""))


def test_parameters_are_those_of_the_path_and_each_once(document: Document) -> None:
    for path, method, operation in operations(document):
        parameters = operation["parameters"]
        assert all({"name", "in", "schema"} <= set(one) <= OF_PARAMETER for one in parameters)
        identities = [(one["in"], one["name"]) for one in parameters]
        assert len(identities) == len(set(identities)), (path, method)
        in_path = {one["name"] for one in parameters if one["in"] == "path" and one["required"]}
        assert in_path == set(re.findall(r"{(\w+)}", path))


def test_the_list_takes_filters_a_limit_a_cursor_and_the_rest_of_an_export(
    document: Document,
) -> None:
    listing = document["paths"]["/v1/interactions"]["get"]["parameters"]

    assert {parameter["name"] for parameter in listing} == {
        *("user_id", "relationship_id", "from", "to", "limit", "cursor"),
        *("status", "mode", "llm_model", "turn_id", "after", "X-Export-Token"),
    }


def test_the_list_is_sent_in_three_forms_and_an_export_has_a_token(document: Document) -> None:
    answer = document["paths"]["/v1/interactions"]["get"]["responses"]["200"]

    assert set(answer["content"]) == {"application/json", "application/x-ndjson", "text/csv"}
    assert "X-Export-Token" in answer["headers"]


def test_aggregates_and_usage_take_a_range_and_a_grouping(document: Document) -> None:
    taken = {
        path: {one["name"] for one in document["paths"][path]["get"]["parameters"]}
        for path in ("/v1/interactions/aggregates", "/v1/usage/turns")
    }

    usage = {"from", "to", "group_by", "breakdown"}
    assert taken == {
        "/v1/interactions/aggregates": usage | {"user_id", "relationship_id"},
        "/v1/usage/turns": usage,
    }


@pytest.mark.parametrize("path", ["/v1/interactions/aggregates", "/v1/usage/turns"])
def test_a_range_and_a_grouping_document_their_defaults(document: Document, path: str) -> None:
    taken = {one["name"]: one for one in document["paths"][path]["get"]["parameters"]}

    for name in ("from", "to", "group_by"):
        words = taken[name].get("description", "")
        assert "Left out" in words or "default" in taken[name]["schema"], name
        assert words


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/interactions/aggregates", "200"),
        ("/v1/usage/turns", "200"),
        ("/v1/usage/active-relationships", "200"),
        ("/readyz", "200"),
    ],
)
def test_numbers_and_readiness_require_all_that_they_describe(
    document: Document, path: str, status: str
) -> None:
    response = document["paths"][path]["get"]["responses"][status]
    waiting = [resolve(document, response["content"]["application/json"]["schema"])]
    while waiting:
        schema = waiting.pop()
        if "properties" in schema:
            assert set(schema["required"]) == set(schema["properties"]) - ONLY_IF_ASKED
            inner = schema["properties"].values()
            waiting += [resolve(document, each.get("items", each)) for each in inner]


@pytest.mark.parametrize("path", ["/v1/usage/turns", "/v1/usage/active-relationships"])
def test_the_described_quota_headers_of_usage_are_those_of_the_answer(
    memory_app: Flask, document: Document, path: str
) -> None:
    described = {
        name: resolve(document, header)
        for name, header in document["paths"][path]["get"]["responses"]["200"]["headers"].items()
        if name.startswith("X-Quota-")
    }
    sent = dict(new_caller(memory_app, "free")("GET", path).headers)

    assert set(described) == {name for name in sent if name.startswith("X-Quota-")}
    assert len(described) == 5
    kinds = {name: header["schema"]["type"] for name, header in described.items()}
    assert {name for name in sent if kinds.get(name) == "string"} == {"X-Quota-Reset"}
    assert all(sent[name].isdigit() for name, kind in kinds.items() if kind == "integer")


def test_a_body_is_described_exactly_where_one_is_taken(document: Document) -> None:
    with_body = {
        (path, method)
        for path, method, operation in operations(document)
        if "requestBody" in operation
    }

    assert with_body == {
        (path, method) for path, method, _ in operations(document) if method in {"post", "put"}
    }
    for path, method in with_body:
        content = document["paths"][path][method]["requestBody"]["content"]
        assert resolve(document, content["application/json"]["schema"])["type"] == "object"


def test_security_is_that_of_the_routes_door(memory_app: Flask, document: Document) -> None:
    endpoints = routes(memory_app)

    schemes = document["components"]["securitySchemes"]
    assert {(each["type"], each["scheme"]) for each in schemes.values()} == {("http", "bearer")}
    for path, method, operation in operations(document):
        asked = operation.get("security", document["security"])
        assert asked == SECURITY[POLICIES[endpoints[path, method]].door], (path, method)
        assert {name for each in asked for name in each} <= set(schemes)


def test_every_operation_may_answer_the_error_envelope(
    memory_app: Flask, document: Document
) -> None:
    error = memory_app.test_client().get("/nothing").get_json()["error"]

    for _, _, operation in operations(document):
        response = resolve(document, operation["responses"]["default"])
        assert set(response) <= OF_RESPONSE
        envelope = resolve(document, response["content"]["application/json"]["schema"])
        assert envelope["required"] == ["error"]
        schema = resolve(document, envelope["properties"]["error"])
        assert set(schema["required"]) == set(schema["properties"]) == set(error)
    assert error["code"] in CODES


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/readyz", "200"),
        ("get", "/v1/me", "200"),
        ("get", "/v1/billing/plans", "200"),
        ("get", "/v1/api-keys", "200"),
        ("post", "/v1/api-keys", "201"),
        ("get", "/v1/interactions", "200"),
        ("get", "/v1/interactions/aggregates", "200"),
        ("get", "/v1/usage/turns", "200"),
        ("get", "/v1/usage/active-relationships", "200"),
        ("post", "/v1/interactions", "201"),
        ("post", "/v1/interactions/batch", "200"),
        ("post", "/v1/turns", "201"),
        ("post", "/v1/turns/completions", "200"),
    ],
)
def test_an_answer_has_exactly_the_fields_that_are_described(
    memory_app: Flask, document: Document, method: str, path: str, status: str
) -> None:
    caller, payload = new_caller(memory_app), stateful()
    bodies = {
        "/v1/api-keys": {"scope": "read"},
        "/v1/interactions": payload,
        "/v1/turns": reservation(),
        "/v1/turns/completions": {"completions": [None]},
    }
    body = bodies.get(path, {"interactions": [payload]}) if method == "post" else None

    method = method.upper()
    answer = caller(method, path, json=body) if body else caller(method, path)

    assert str(answer.status_code) == status
    content = document["paths"][path][method.lower()]["responses"][status]["content"]
    schema = resolve(document, content["application/json"]["schema"])
    for shown, described in [(answer.get_json(), schema), *elements(document, schema, answer)]:
        assert set(shown) <= set(described["properties"])
        assert set(described.get("required", [])) <= set(shown)


def elements(document: Document, schema: Document, answer: Any) -> list[tuple[Any, Document]]:
    """Pair each element of the answer's list, if it has one, with its schema."""
    return [
        (element, resolve(document, described["items"]))
        for name, described in schema["properties"].items()
        if described.get("type") == "array" and name in {"data", "results"}
        for element in answer.get_json()[name]
    ]


def test_first_requests_at_once_make_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    all_ask = Barrier(8)

    class Counted(Api):  # type: ignore[misc] # (the library is untyped)
        def __init__(self, *given: Any, **named: Any) -> None:
            made.append(self)
            Event().wait(0.2)  # in which the other threads would begin to make theirs
            super().__init__(*given, **named)

    def ask(_number: int) -> str:
        all_ask.wait(30)
        return reference.document(blueprints)

    blueprints = (Blueprint("only", __name__),)
    monkeypatch.setattr(reference, "_DocumentApi", Counted)
    with ThreadPoolExecutor(8) as pool:
        documents = set(pool.map(ask, range(8)))

    assert (len(documents), len(made)) == (1, 1)
