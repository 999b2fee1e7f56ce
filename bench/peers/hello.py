"""Flask and nothing else: a body that is always the same."""

import os

from flask import Flask, Response

app = Flask(__name__)
BODY = os.environ["BENCH_BODY"].encode()


@app.get("/v1/me")
def me() -> Response:
    return Response(BODY, mimetype="application/json")


@app.get("/healthz")
def healthz() -> str:
    return "ok"
