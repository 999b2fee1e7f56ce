"""The page built on FastAPI: slowapi on Redis, PyMongo's asynchronous client, pydantic, uvicorn.

It checks a key, limits its rate and answers the same items as the service. It has no scopes,
quota, log or metrics. `python -m …` serves it with the processes of `WEB_CONCURRENCY`.
"""

import os
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from itsdangerous import URLSafeTimedSerializer
from pydantic import BaseModel
from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

from bench.peers import page_job


class EmotionalState(BaseModel):
    primary: str
    confidence: float | None
    secondary: list[str]
    intensity: str | None
    valence: float | None
    arousal: float | None


class Memory(BaseModel):
    consulted: bool
    summary_used: str | None
    significant_moments_referenced: int
    model_updated: bool


class Guardrails(BaseModel):
    applied: list[str]


class Usage(BaseModel):
    turns_consumed: int
    active_relationship_counted: bool
    llm_provider: str | None
    llm_model: str | None
    input_tokens: int | None
    output_tokens: int | None


class Item(BaseModel):
    interaction_id: str
    created_at: str
    mode: str
    status: str
    user_id: str | None
    relationship_id: str | None
    personality_id: str
    inferred_emotional_state: EmotionalState | None
    memory: Memory | None
    guardrails: Guardrails
    usage: Usage
    latency_ms: int
    time_to_first_token_ms: int | None
    error_code: str | None


class Page(BaseModel):
    data: list[Item]
    next_cursor: str | None


def key(request: Request) -> str:
    return request.headers["Authorization"]


limiter = Limiter(key_func=key, storage_uri=os.environ["REDIS_URL"], headers_enabled=True)
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ["MONGODB_URI"])
database = client.get_default_database(read_concern=ReadConcern("majority"))
signer = URLSafeTimedSerializer(os.environ["CURSOR_SECRETS"])
cache = page_job.KeyCache()


async def account_of(request: Request) -> str:
    """Return the account of a key, or answer 401."""
    digest = page_job.digest_of(request.headers.get("Authorization", ""))
    account = cache.get(digest)
    if account is None:
        found = await database[page_job.KEYS].find_one({"_id": digest})
        if found is None:
            raise HTTPException(401)
        account = str(found["account"])
        cache.keep(digest, account)
    return account


Account = Annotated[str, Depends(account_of)]
Limit = Annotated[int, Query(ge=1, le=page_job.MOST_PER_PAGE)]


@app.get(page_job.PATH, response_model=Page)
@limiter.limit(page_job.LIMIT)
async def page(
    request: Request,  # slowapi looks for it
    response: Response,
    account: Account,
    limit: Limit = page_job.PER_PAGE,
) -> dict[str, Any]:
    found = database[page_job.ROWS].find(page_job.query(account), page_job.HIDDEN)
    rows = await found.sort("_id", -1).limit(limit + 1).to_list()
    following = page_job.cursor_after(rows, limit, signer)
    shown = [page_job.with_names(row) for row in rows[:limit]]
    return {"data": shown, "next_cursor": following}


if __name__ == "__main__":
    uvicorn.run(
        "bench.peers.async_page:app",
        host=os.environ["HOST"],
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WEB_CONCURRENCY"]),
        access_log=False,
        log_level="warning",
    )
