"""Read exports through the test client."""

import json
from typing import Any

from werkzeug.test import TestResponse

from tests.callers import Caller, error_of
from tests.exports import CSV, TOKEN
from tests.turns import HOUR_MS, at, now_ms


def read(answer: TestResponse) -> bytes:
    """Return the body of an export."""
    assert answer.status_code == 200, answer.text
    data = answer.data
    answer.close()
    return data


def ids_of(answer: TestResponse) -> list[str]:
    *lines, _ = read(answer).decode().splitlines()
    if answer.mimetype == CSV:
        return [line.partition(",")[0] for line in lines[1:]]
    return [json.loads(line)["interaction_id"] for line in lines]


def token_of(answer: TestResponse) -> str:
    """Return the token of an export, whose stream is closed unread."""
    answer.close()
    return answer.headers[TOKEN]


def listed_ids(caller: Caller, **query: Any) -> list[str]:
    return [item["interaction_id"] for item in caller.list_all(**query)]


def record(caller: Caller, count: int) -> list[str]:
    """Record turns a second apart; return their ids, newest first."""
    for number in range(count):
        assert caller.record(at(now_ms() - HOUR_MS + 1_000 * number)).status_code == 201
    return listed_ids(caller)


def field_error_of(answer: TestResponse) -> tuple[int, str, str, str]:
    """Return status, code, and the one field that is wrong with its code."""
    error = error_of(answer)
    (detail,) = error["details"]
    assert detail["message"] in error["message"]
    return answer.status_code, error["code"], detail["field"], detail["code"]
