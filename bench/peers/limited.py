"""The same behind flask-limiter as its manual has it: Redis, headers, a limit for each key."""

import os

from flask import request
from flask_limiter import Limiter

from bench.peers.hello import app, healthz


def key() -> str:
    return request.headers["Authorization"]


limiter = Limiter(
    key,
    app=app,
    # Never reached: what is measured is what a request that passes costs.
    default_limits=["1000000000 per minute"],
    storage_uri=os.environ["REDIS_URL"],
    strategy=os.environ["BENCH_STRATEGY"],
    headers_enabled=True,
)
limiter.exempt(healthz)
