"""Make the OpenAPI document from the routes' own descriptions."""

import re
from functools import cache
from threading import Lock
from typing import Any

from flask import Flask
from flask_smorest import Api, Blueprint

from app.reference.converter import Plugin
from app.reference.envelope import ConflictEnvelopeSchema, ErrorEnvelopeSchema
from app.reference.headers import HEADERS
from app.reference.operations import (
    complete,
    complete_parameters,
    error_examples,
    other_error,
)
from config.version import VERSION

_DESCRIPTION = (
    "A self-hosted ledger of AI turns: which turn ran, when, and what it consumed, never its text. "
    "\n\n"
    "Send an API key as `Authorization: Bearer uniq_live_…`. Bodies are JSON, at most 256 KiB (a "
    "batch: 1 MiB), as they are or with `Content-Encoding: gzip`. Integers are written without a "
    "point or an exponent: `374`, not `374.0`. Unknown fields and parameters are refused. Instants "
    "in answers are UTC with milliseconds and `Z`. Every error has the same envelope: decide by "
    "its `code`."
)
_INFO = {
    "summary": "A ledger of AI turns, with limits and quotas.",
    "description": _DESCRIPTION,
    "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
}
_OPTIONS = {
    "info": _INFO,
    "servers": [{"url": "/", "description": "The service that returned this document."}],
    "security": [{"apiKey": []}],
    "externalDocs": {"description": "Every error code.", "url": "/docs/errors"},
}
_SECURITY_SCHEMES = {
    "apiKey": "An API key of an organization. It has one scope and one environment.",
    "operatorToken": "The token of the operator of this service.",
}
# As a reader needs them: first what most clients send.
_FIRST = ("interactions", "turns", "usage", "accounts")
# `cache` alone would let each of several first requests make the document.
_making = Lock()


class _DocumentApi(Api):  # type: ignore[misc] # (the library is untyped)
    """Describe errors with our schema."""

    ERROR_SCHEMA = ErrorEnvelopeSchema


def document(blueprints: tuple[Blueprint, ...]) -> str:
    """Return the document of the routes of `blueprints` as JSON; made once in a process."""
    with _making:
        return _make(blueprints)


@cache
def _make(blueprints: tuple[Blueprint, ...]) -> str:
    described = Flask(__name__, static_folder=None)
    described.config.update(API_TITLE="Turnledger", API_VERSION=VERSION, OPENAPI_VERSION="3.1.0")
    api = _DocumentApi(described, spec_kwargs=_OPTIONS | {"marshmallow_plugin": Plugin()})
    for name, description in _SECURITY_SCHEMES.items():
        scheme = {"type": "http", "scheme": "bearer", "description": description}
        api.spec.components.security_scheme(name, scheme)
    api.spec.components.schema("ConflictEnvelope", schema=ConflictEnvelopeSchema)
    for blueprint in sorted(blueprints, key=_rank_of):
        api.register_blueprint(blueprint)
    spec = api.spec.to_dict()
    _complete(spec, described)
    return described.json.dumps(spec, indent=2, sort_keys=False)


def _rank_of(blueprint: Blueprint) -> int:
    return _FIRST.index(blueprint.name) if blueprint.name in _FIRST else len(_FIRST)


def _complete(spec: dict[str, Any], described: Flask) -> None:
    """Add what the routes themselves do not say: see `operations.py`."""
    components = spec["components"]
    components["headers"] = dict(HEADERS)
    components["examples"] = error_examples()
    components.setdefault("responses", {})["DEFAULT_ERROR"] = other_error()
    components["schemas"].pop("PaginationMetadata", None)  # flask-smorest's own; no route has it
    for item in spec["paths"].values():
        complete_parameters(item)
    for rule in described.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in spec["paths"].get(path, {}).keys() & _methods(rule.methods):
            complete(spec, rule.endpoint, path, method)


def _methods(names: set[str] | None) -> set[str]:
    return {name.lower() for name in names or ()}
