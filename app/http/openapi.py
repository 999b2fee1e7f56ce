"""The OpenAPI document, assembled at start-up from what the routes say of themselves."""

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


class ErrorSchema(Schema):
    """What `code` stands for is told at `/docs/errors`."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    type = fields.String(required=True)
    request_id = fields.String(required=True)
    details = fields.Raw(
        required=True,
        allow_none=True,
        metadata={
            "description": "Depends on `code`. With `rate_limit_exceeded`, a `component` of "
            "`concurrency` means too many requests in progress; `Retry-After` is advice then. With "
            "`quota_exhausted`, `resets_at` is the end of the billing period, `held_until` the "
            "instant at which enough open reservations have expired (null if that does not help), "
            "and `retry_after_ms` the wait that `Retry-After` rounds up to whole seconds."
        },
    )
    documentation_url = fields.Url(required=True)


class ErrorEnvelopeSchema(Schema):
    """The one shape of every error."""

    error = fields.Nested(ErrorSchema, required=True)


class _Converter(OpenAPIConverter):
    """apispec's converter, which also describes rules between fields."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        """Describe the fields, then add what `StrictSchema.rules` says of them together."""
        describe: Any = super().schema2jsonschema
        return dict(describe(schema) | getattr(schema, "rules", {}))


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


class QuietApi(Api):  # type: ignore[misc] # (the library is untyped)
    """flask-smorest without its error handler: there is one renderer, in `errors.py`."""

    ERROR_SCHEMA = ErrorEnvelopeSchema

    def _register_error_handlers(self) -> None:
        """Leave errors to the application."""


def init_app(app: Flask, blueprints: list[Blueprint]) -> None:
    """Register `blueprints` and publish their description at `/openapi.json`."""
    app.config.update(
        API_TITLE="Turnledger",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    options = {"security": [{"apiKey": []}], "info": {"description": _DESCRIPTION}}
    api = QuietApi(app, spec_kwargs=options | {"marshmallow_plugin": _Plugin()})
    for name, words in (("apiKey", "A key of an organization."), ("operatorToken", "Operators.")):
        scheme = {"type": "http", "scheme": "bearer", "description": words}
        api.spec.components.security_scheme(name, scheme)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)


def parameters_of(schema: type[Schema]) -> list[dict[str, Any]]:
    """The query parameters that `schema` reads, for a route's description."""
    return [{"in": "query", "schema": schema}]


def body_of(schema: type[Schema]) -> dict[str, Any]:
    """The JSON body that `schema` reads, for a route's description."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}
