"""The page built plainly: Flask, flask-limiter on Redis, PyMongo, marshmallow.

It checks a key, limits its rate and answers the same items as the service. It has no scopes,
quota, log or metrics.
"""

import os
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from flask_limiter import Limiter
from itsdangerous import URLSafeTimedSerializer
from marshmallow import Schema, fields
from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from bench.peers import page_job


class EmotionalStateSchema(Schema):
    primary = fields.String()
    confidence = fields.Float()
    secondary = fields.List(fields.String())
    intensity = fields.String()
    valence = fields.Float()
    arousal = fields.Float()


class MemorySchema(Schema):
    consulted = fields.Boolean()
    summary_used = fields.String()
    significant_moments_referenced = fields.Integer()
    model_updated = fields.Boolean()


class GuardrailsSchema(Schema):
    applied = fields.List(fields.String())


class UsageSchema(Schema):
    turns_consumed = fields.Integer()
    active_relationship_counted = fields.Boolean()
    llm_provider = fields.String()
    llm_model = fields.String()
    input_tokens = fields.Integer()
    output_tokens = fields.Integer()


class ItemSchema(Schema):
    interaction_id = fields.String()
    created_at = fields.String()
    mode = fields.String()
    status = fields.String()
    user_id = fields.String()
    relationship_id = fields.String()
    personality_id = fields.String()
    inferred_emotional_state = fields.Nested(EmotionalStateSchema)
    memory = fields.Nested(MemorySchema)
    guardrails = fields.Nested(GuardrailsSchema)
    usage = fields.Nested(UsageSchema)
    latency_ms = fields.Integer()
    time_to_first_token_ms = fields.Integer()
    error_code = fields.String()


def key() -> str:
    return request.headers["Authorization"]


app = Flask(__name__)
limiter = Limiter(
    key,
    app=app,
    default_limits=[page_job.LIMIT],
    storage_uri=os.environ["REDIS_URL"],
    headers_enabled=True,
)
client = MongoClient[dict[str, Any]](os.environ["MONGODB_URI"])
database = client.get_default_database(read_concern=ReadConcern("majority"))
signer = URLSafeTimedSerializer(os.environ["CURSOR_SECRETS"])
cache, items = page_job.KeyCache(), ItemSchema(many=True)


def account_of(authorization: str) -> str:
    """Return the account of a key, or answer 401."""
    digest = page_job.digest_of(authorization)
    account = cache.get(digest)
    if account is None:
        found = database[page_job.KEYS].find_one({"_id": digest})
        if found is None:
            abort(401)
        account = str(found["account"])
        cache.keep(digest, account)
    return account


@app.get(page_job.PATH)
def page() -> Response:
    account = account_of(request.headers.get("Authorization", ""))
    limit = request.args.get("limit", page_job.PER_PAGE, type=int)
    limit = max(1, min(limit, page_job.MOST_PER_PAGE))
    found = database[page_job.ROWS].find(page_job.query(account), page_job.HIDDEN)
    rows = list(found.sort("_id", -1).limit(limit + 1))
    following = page_job.cursor_after(rows, limit, signer)
    shown = [page_job.with_names(row) for row in rows[:limit]]
    return jsonify(data=items.dump(shown), next_cursor=following)


@app.get("/healthz")
@limiter.exempt
def healthz() -> str:
    return "ok"
