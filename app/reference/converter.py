"""Convert marshmallow schemas to JSON Schema, as the document shows them."""

import inspect
import re
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin, resolver
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

# A line break inside a paragraph; one before a list or a table stays.
_WRAPPED = re.compile(r"(?<!\n)\n(?![\n*|])")
# Generated clients have types with these names, beside those of all other rooms.
_TYPE_NAMES = {"Page": "InteractionPage", "Turns": "TurnsUsage"}


def unwrapped(text: str) -> str:
    """Return a docstring with each paragraph in one line."""
    return _WRAPPED.sub(" ", text)


class _Converter(OpenAPIConverter):
    """apispec's converter, which also describes objects and the rules between their fields."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        """Describe the fields, then add the docstring and `StrictSchema.rules`."""
        convert: Any = super().schema2jsonschema
        described = {"description": _description(type(schema))}
        return described | dict(convert(schema)) | dict(getattr(schema, "rules", {}))

    def field2default(self, field: fields.Field[Any], **options: Any) -> dict[str, Any]:
        """Return the default unless it is null: generators would take it for a value to send."""
        convert: Any = super().field2default
        return {
            name: value for name, value in convert(field, **options).items() if value is not None
        }


class Plugin(MarshmallowPlugin):
    """apispec's plugin with this converter and `type_name`."""

    Converter = _Converter

    def __init__(self) -> None:
        super().__init__(schema_name_resolver=type_name)


def type_name(schema: type[Schema]) -> str:
    """Return the name of a schema in the document: `Interaction` of `ItemSchema`."""
    name = resolver(schema)
    return _TYPE_NAMES.get(name, re.sub("^Item", "Interaction", name))


def _description(schema: type[Schema]) -> str:
    return unwrapped(inspect.getdoc(schema) or "")
