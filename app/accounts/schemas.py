"""Wire shapes of accounts: bodies, queries and answers; `items.py` fills the answers."""

from marshmallow import fields

from app.http.cursors import CURSOR
from app.http.fields import AnswerSchema, Choice, Integer, Numeral, StrictSchema, Token
from app.tenancy.key_lists import MAX_PER_PAGE
from app.tenancy.key_rules import LABEL_PATTERN, MAX_KEY_DAYS
from app.tenancy.model import Environment, OveragePolicy, Scope

_SCOPES = [scope.value for scope in Scope]
_ENVIRONMENTS = [environment.value for environment in Environment]


class NewApiKeySchema(StrictSchema):
    """The body that asks for a key."""

    scope = Choice(_SCOPES, required=True)
    expires_in_days = Integer(1, MAX_KEY_DAYS)
    label = Token(LABEL_PATTERN)


class ApiKeySchema(AnswerSchema):
    """A key as lists show it."""

    id = fields.String()
    scope = Choice(_SCOPES)
    environment = Choice(_ENVIRONMENTS)
    label = fields.String(allow_none=True)
    hint = fields.String(metadata={"description": "The beginning of the key."})
    created_at = fields.DateTime()
    expires_at = fields.DateTime(allow_none=True)
    revoked_at = fields.DateTime(allow_none=True)


class CreatedApiKeySchema(ApiKeySchema):
    """A created key; only this answer shows it in full."""

    key = fields.String(metadata={"description": "The full key; it is not shown again."})


class ApiKeyListQuerySchema(StrictSchema):
    """The page of a list of keys."""

    limit = Numeral(
        1,
        MAX_PER_PAGE,
        load_default=MAX_PER_PAGE,
        metadata={"description": "Left out, the first page holds every active key."},
    )
    cursor = Token(CURSOR)


class ApiKeyListSchema(AnswerSchema):
    """A page of keys: active ones, then expired, then revoked; newest first in each state.

    A null `next_cursor` ends the list.
    """

    data = fields.List(fields.Nested(ApiKeySchema))
    next_cursor = Token(CURSOR, allow_none=True)


class PlanSchema(AnswerSchema):
    """A plan of the catalogue; null means unlimited."""

    plan = fields.String()
    name = fields.String()
    requests_per_second = fields.Integer()
    burst = fields.Integer()
    turns_per_period = fields.Integer(allow_none=True)
    active_relationships = fields.Integer(allow_none=True)
    overage_policy = Choice([policy.value for policy in OveragePolicy])


class PlanListSchema(AnswerSchema):
    """The plan catalogue."""

    data = fields.List(fields.Nested(PlanSchema))


class OrganizationSchema(AnswerSchema):
    """The organization that a key belongs to."""

    id = fields.String()
    name = fields.String()
    plan = fields.String()


class MeSchema(AnswerSchema):
    """The organization, scopes and environment of the key in use."""

    organization = fields.Nested(OrganizationSchema)
    key_id = fields.String()
    scopes = fields.List(Choice(_SCOPES))
    environment = Choice(_ENVIRONMENTS)
    plan = fields.String()
