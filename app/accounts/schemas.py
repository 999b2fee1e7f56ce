"""Wire shapes of accounts: bodies, queries and answers; `items.py` fills the answers."""

from marshmallow import fields

from app.http.answer_fields import ShownText, Total, UtcInstant
from app.http.cursors import CURSOR
from app.http.fields import (
    AnswerSchema,
    Choice,
    Integer,
    ListOf,
    Numeral,
    Part,
    StrictSchema,
    Token,
)
from app.http.rules import ULID_PATTERN
from app.tenancy.key_lists import MAX_PER_PAGE
from app.tenancy.key_rules import LABEL_PATTERN, MAX_KEY_DAYS
from app.tenancy.model import Environment, OveragePolicy, Scope
from app.tenancy.service import MAX_NAME_LENGTH

_SCOPES = [scope.value for scope in Scope]
_ENVIRONMENTS = [environment.value for environment in Environment]
KEY_ID = f"^key_{ULID_PATTERN}$"
_ORGANIZATION_ID = f"^org_{ULID_PATTERN}$"
_KEY = r"^uniq_(live|test)_[0-9A-Za-z]{46}$"
_HINT = r"^uniq_(live|test)_[0-9A-Za-z]{4}\.\.\.$"


class NewApiKeySchema(StrictSchema):
    """The body that asks for a key."""

    scope = Choice(
        _SCOPES,
        required=True,
        description="The rights of the key. Each scope includes the ones before it in this list.",
    )
    expires_in_days = Integer(
        1,
        MAX_KEY_DAYS,
        description="The key ends after so many days. Left out: it does not end by itself.",
    )
    label = Token(
        LABEL_PATTERN, description="A name for people: 1 to 64 characters without white space."
    )


class ApiKeySchema(AnswerSchema):
    """A key as lists show it."""

    id = Token(KEY_ID, description="The id of the key, for `/v1/api-keys/{key_id}`.")
    scope = Choice(_SCOPES, description="The rights of the key.")
    environment = Choice(_ENVIRONMENTS, description="The environment that the key can use.")
    label = Token(LABEL_PATTERN, allow_none=True, description="The label; null if it has none.")
    hint = Token(_HINT, description="The beginning of the key, which does not reveal its secret.")
    created_at = UtcInstant("When the key was made.")
    expires_at = UtcInstant("When the key ends; null: never.", allow_none=True)
    revoked_at = UtcInstant("When the key was revoked; null: it was not.", allow_none=True)
    last_used_at = UtcInstant(
        "When a request last used the key, to within about a minute; null: never.",
        allow_none=True,
    )


class CreatedApiKeySchema(ApiKeySchema):
    """A created key; only this answer shows it in full."""

    key = Token(_KEY, description="The full key. It is not shown again, so store it now.")


class ApiKeyListQuerySchema(StrictSchema):
    """The page of a list of keys."""

    limit = Numeral(
        1,
        MAX_PER_PAGE,
        load_default=MAX_PER_PAGE,
        description="Keys in a page. Left out, the first page holds every active key.",
    )
    cursor = Token(CURSOR, description="`next_cursor` of the previous page; valid for 24 hours.")


class ApiKeyListSchema(AnswerSchema):
    """A page of keys: active ones, then expired, then revoked; newest first in each state.

    A null `next_cursor` ends the list.
    """

    data = ListOf(Part(ApiKeySchema), MAX_PER_PAGE, description="The keys of this page.")
    next_cursor = Token(
        CURSOR, allow_none=True, description="The `cursor` of the next page; null on the last one."
    )


class PlanSchema(AnswerSchema):
    """A plan of the catalogue; null means unlimited."""

    plan = ShownText("The id of the plan.")
    name = ShownText("The name of the plan, for people.")
    requests_per_second = Total("Tokens per second at which the bucket of requests refills.")
    burst = Total("Tokens that the bucket holds at most: so many requests can come at once.")
    turns_per_period = Total(
        "Turns in a billing period, for each environment; null: unlimited.", allow_none=True
    )
    active_relationships = Total(
        "Relationships with a charged turn in a billing period; null: unlimited.", allow_none=True
    )
    overage_policy = Choice(
        [policy.value for policy in OveragePolicy],
        description="`block` refuses turns beyond the quota; `allow` counts them and refuses none.",
    )


class PlanListSchema(AnswerSchema):
    """The plan catalogue."""

    data = fields.List(
        Part(PlanSchema),
        metadata={"description": "The plans, in the order of the operator's file."},
    )


class SubscriptionSchema(AnswerSchema):
    """The plan in force, and the current billing period of the environment of the key."""

    plan = ShownText("The id of the plan; the organization may have limits of its own.")
    status = Choice(
        ["active"], description="A suspended organization gets 402 in place of this answer."
    )
    environment = Choice(_ENVIRONMENTS, description="The environment of the key.")
    signed_up_on = ShownText("The day, in UTC, from which billing periods are counted.")
    period_start = UtcInstant("The first instant of the billing period.")
    period_end = UtcInstant("When the billing period ends and the counters begin at 0 again.")
    overage_policy = Choice(
        [policy.value for policy in OveragePolicy],
        description="`block` refuses turns beyond the quota; `allow` counts them and refuses none.",
    )


class OrganizationSchema(AnswerSchema):
    """The organization that a key belongs to."""

    id = Token(_ORGANIZATION_ID, description="The id of the organization.")
    name = ShownText("The name of the organization, for people.", MAX_NAME_LENGTH)
    plan = ShownText("The id of its plan.")


class MeSchema(AnswerSchema):
    """The organization, scopes and environment of the key in use."""

    organization = Part(OrganizationSchema, description="The organization of the key.")
    key_id = Token(KEY_ID, description="The id of the key in use.")
    scopes = ListOf(
        Choice(_SCOPES), len(_SCOPES), description="The scope of the key and those it includes."
    )
    environment = Choice(_ENVIRONMENTS, description="The environment that the key can use.")
    plan = ShownText("The id of the organization's plan.")
