"""Make the OpenAPI document from the routes' own descriptions."""

from functools import cache
from threading import Lock
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from flask_smorest import Api, Blueprint
from marshmallow import Schema, fields

from config.version import VERSION

_DESCRIPTION = (
    "Bodies are JSON, at most 256 KiB (a batch: 1 MiB), as they are or with `Content-Encoding: "
    "gzip`. Integers are written without a point or an exponent: `374`, not `374.0`. Unknown "
    "fields and parameters are refused."
)
# `cache` alone would let each of several first requests make the document.
_making = Lock()
_SECURITY_SCHEMES = {"apiKey": "A key of an organization.", "operatorToken": "Operators."}


class ErrorSchema(Schema):
    """Describe one error; `/docs/errors` explains each `code`."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    type = fields.String(required=True)
    request_id = fields.String(required=True)
    details = fields.Raw(
        required=True,
        allow_none=True,
        metadata={
            "description": "Depends on `code`. With `rate_limit_exceeded`, `tokens` is the price "
            "of a refused batch, if more than one. A `component` of `concurrency` means too many "
            "requests in progress; `Retry-After` is advice then. With `quota_exhausted`, "
            "`component` is `turns`, `active_relationships` or `uncharged_turns` (turns that cost "
            "nothing), `resets_at` is the end of the billing period, `held_until` the instant at "
            "which enough open reservations have expired (null if that does not help), and "
            "`retry_after_ms` the wait that `Retry-After` rounds up to whole seconds."
        },
    )
    documentation_url = fields.Url(required=True)


class ErrorEnvelopeSchema(Schema):
    """Describe the body of every error."""

    error = fields.Nested(ErrorSchema, required=True)


class _Converter(OpenAPIConverter):
    """apispec's converter, which also describes rules between fields."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        """Describe the fields, then add what `StrictSchema.rules` says of them together."""
        describe: Any = super().schema2jsonschema
        return dict(describe(schema) | getattr(schema, "rules", {}))


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


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
    options = {"security": [{"apiKey": []}], "info": {"description": _DESCRIPTION}}
    api = _DocumentApi(described, spec_kwargs=options | {"marshmallow_plugin": _Plugin()})
    for name, description in _SECURITY_SCHEMES.items():
        scheme = {"type": "http", "scheme": "bearer", "description": description}
        api.spec.components.security_scheme(name, scheme)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    return described.json.dumps(api.spec.to_dict(), indent=2, sort_keys=False)
