"""Read the OpenAPI document."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
# Endpoints of the document itself, and of pages for people and their files.
UNDESCRIBED = ("api-docs.", "pages.", "assets.", "console.")


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield path, method and operation, which has the parameters of its path too."""
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in item.keys() - {"parameters"}:
            operation = item[method]
            own = operation.get("parameters", [])
            yield path, method, operation | {"parameters": [*shared, *own]}


def resolve(document: Document, found: Document) -> Document:
    """Return the target of a reference, or `found` if it is none; KeyError without a target."""
    while "$ref" in found:
        steps = found["$ref"].removeprefix("#/").split("/")
        found = document
        for step in steps:
            found = found[step]
    return found


def schemas_of_answers(document: Document) -> set[str]:
    """Return the names of the schemas that answers use, also inside others."""
    responses = [resolve(document, one) for one in _responses(document)]
    return _names_in(document, responses)


def schemas_of_requests(document: Document) -> set[str]:
    """Return the names of the schemas that bodies use, also inside others."""
    return _names_in(document, [one.get("requestBody", {}) for *_, one in operations(document)])


def _responses(document: Document) -> Iterator[Document]:
    for *_, operation in operations(document):
        yield from operation["responses"].values()


def _names_in(document: Document, nodes: list[Any]) -> set[str]:
    names: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += [
                value for name, value in node.items() if name not in {"examples", "example"}
            ]
            name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in document["components"]["schemas"] and name not in names:
                names.add(name)
                waiting.append(document["components"]["schemas"][name])
    return names
