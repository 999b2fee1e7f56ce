"""Send requests to an application, and keep what was sent and answered."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.callers import Caller

Exchange = dict[str, Any]
# As the local run has it.
BASE_URL = "http://127.0.0.1:8000"
# Other headers of a response are the same for every answer, or of the connection.
_KEPT = (
    "X-Request-Id",
    "X-RateLimit-",
    "X-Quota-",
    "Retry-After",
    "WWW-Authenticate",
    "Allow",
    "ETag",
)


class Session:
    """Sends requests and returns each with its answer."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        caller: Caller | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Exchange:
        """Return one exchange; `options` are those of werkzeug's client, and are not kept."""
        if body is not None:
            options["json"] = body
        sent = {**(caller.headers if caller else {}), **(headers or {})}
        answer = self._client.open(path, BASE_URL, method=method, headers=sent, **options)
        request = {"line": f"{method} {path}"} | ({} if body is None else {"body": body})
        return {"request": request, "response": _response(answer)}


def _response(answer: TestResponse) -> dict[str, Any]:
    headers = {name: value for name, value in answer.headers if name.startswith(_KEPT)}
    shown: dict[str, Any] = {"status": answer.status_code, "headers": headers}
    if answer.mimetype == "application/json":
        shown["body"] = json.loads(answer.get_data())
    return shown
