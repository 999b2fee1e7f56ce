"""A marker in every field that a client can send: no store or log ever contains it.

A turn contains identifiers, labels and numbers, which are stored unchanged. A marker with a blank
is text. The only marker without one is the turn's id, of which only an HMAC is stored.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from flask import Flask
from pymongo.database import Database
from redis import Redis

from app.http.instants import format_ms
from tests.callers import LIST, TURNS, Caller, new_caller
from tests.servers import OPERATOR_TOKEN
from tests.turns import body, now_ms, whole
from tests.unit.otlp.exports import CHAT, export, protobuf, span

MARKER = "canary4711"
TEXT = f"{MARKER} said hello"
BATCH = f"{LIST}/batch"
COMPLETIONS = f"{TURNS}/completions"
TRACES = "/v1/traces"
PROTOBUF = "application/x-protobuf"
KEYS = "/v1/api-keys"
HEADERS = (
    *("Authorization", "X-Request-Id", "User-Agent", "Cookie", "Referer", "X-Forwarded-For"),
    *("X-Forwarded-Host", "Accept", "Content-Type", "Content-Encoding", "If-None-Match", "Origin"),
    *(f"X-{MARKER}", "traceparent", "Host"),
)
Document = dict[str, Any]


def everywhere(recording: Any) -> Iterator[Any]:
    """Yield `recording` with the text in one field each time, as a value or as a name."""
    if isinstance(recording, dict):
        yield recording | {TEXT: 1}
        yield recording | {MARKER: TEXT}
        for name, value in recording.items():
            yield from (recording | {name: planted} for planted in everywhere(value))
    elif isinstance(recording, list):
        yield [*recording, TEXT]
        for index, value in enumerate(recording):
            yield from (
                [*recording[:index], other, *recording[index + 1 :]] for other in everywhere(value)
            )
    yield TEXT
    yield [TEXT]
    yield {"$set": TEXT}


def refused_bodies() -> list[Any]:
    """Return recordings with text in one field each; the turn's id is the marker."""
    return [
        recording
        for recording in everywhere(whole(turn_id=MARKER, occurred_at=format_ms(now_ms())))
        if not isinstance(recording, str)
    ]


def record_markers(caller: Caller) -> None:
    """Send turns whose id is the marker: new, repeated, changed, and refused by the quota."""
    recording = body(turn_id=MARKER)
    assert caller.record(recording).status_code == 201
    assert caller.record(recording).status_code == 200
    assert caller.record(recording | {"latency_ms": 1}).status_code == 409
    batch = caller.record_batch([recording, body(turn_id=f"{MARKER}-2"), TEXT, {TEXT: TEXT}])
    fates = [result["status"] for result in batch.get_json()["results"]]
    assert fates == ["duplicate", "created", "rejected", "rejected"]
    assert caller.record(body(turn_id=f"{MARKER}-3")).status_code == 429


def plant_in_bodies(caller: Caller) -> None:
    planted = refused_bodies()
    assert len(planted) > 60
    for recording in planted:
        assert caller("POST", LIST, json=recording).status_code == 400, recording
    for start in range(0, len(planted), 500):
        results = caller.record_batch(planted[start : start + 500]).get_json()["results"]
        assert {result["status"] for result in results} == {"rejected"}
        completions = {"completions": planted[start : start + 500]}
        results = caller("POST", COMPLETIONS, json=completions).get_json()["results"]
        assert {result["status"] for result in results} == {"rejected"}
    for recording in everywhere({"scope": "read", "label": "l", "expires_in_days": 1}):
        assert caller("POST", KEYS, json=recording).status_code == 400, recording
    for raw in (TEXT, f'"{TEXT}"', f'{{"{TEXT}', json.dumps({"turn_id": TEXT})[:-1]):
        for path in (LIST, BATCH, COMPLETIONS, KEYS):
            answer = caller("POST", path, data=raw, content_type="application/json")
            assert answer.status_code == 400


def plant_in_spans(caller: Caller) -> None:
    """Send spans with the text in each attribute, event, name, status and resource."""
    attributes = dict.fromkeys(CHAT, TEXT) | {"gen_ai.operation.name": "chat", TEXT: TEXT}
    attributes |= {f"gen_ai.prompt.0.{MARKER}": [TEXT], "gen_ai.system_instructions": TEXT}
    value = {"stringValue": TEXT}
    event = {"name": TEXT, "attributes": [{"key": TEXT, "value": value}]}
    sent = span(attributes, name=TEXT, events=[event], status={"code": 2, "message": TEXT})
    body = export(sent, resource={"service.name": TEXT, TEXT: TEXT})
    assert caller("POST", TRACES, json=body).get_json() == {}
    answer = caller("POST", TRACES, data=protobuf(body), content_type=PROTOBUF)
    assert answer.status_code == 200
    for recording in everywhere(export(span())):
        if isinstance(recording, dict):
            assert caller("POST", TRACES, json=recording).status_code in {200, 400}


def plant_in_targets(caller: Caller) -> None:
    names = (
        *("user_id", "relationship_id", "from", "to", "limit", "cursor", MARKER, TEXT),
        *("status", "mode", "llm_model", "turn_id"),
    )
    for name in names:
        assert caller("GET", LIST, query_string={name: TEXT}).status_code == 400
        assert caller("POST", LIST, json=body(), query_string={name: TEXT}).status_code == 400
    assert caller.list_(user_id=MARKER, relationship_id=MARKER).status_code == 200
    assert caller.list_(turn_id=MARKER, llm_model=MARKER).status_code == 200
    assert caller.list_(cursor=MARKER).status_code == 400
    for path in (f"{LIST}/{MARKER}", f"{KEYS}/{MARKER}", f"/{MARKER}", f"{LIST}/{TEXT}"):
        assert caller("GET", path).status_code == 404
    assert caller("DELETE", f"{KEYS}/{MARKER}").status_code == 404
    assert caller(MARKER.upper(), LIST).status_code == 405


def plant_in_headers(caller: Caller) -> None:
    for name in HEADERS:
        for value in (MARKER, TEXT, f"Bearer {MARKER}", f"Bearer uniq_live_{MARKER}"):
            headers = {name: value}
            assert caller("GET", LIST, headers=headers).status_code < 500
            assert caller("POST", LIST, json={TEXT: TEXT}, headers=headers).status_code < 500
    mark = {"Idempotency-Key": TEXT}
    answers = [caller("POST", KEYS, json={"scope": "read"}, headers=mark) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data
    other = caller("POST", KEYS, json={"scope": "admin"}, headers=mark)
    assert other.status_code == 409


def plant_behind_an_empty_bucket(caller: Caller) -> None:
    planted = refused_bodies()[0] | {MARKER: TEXT}
    statuses = [caller.record(planted).status_code for _ in range(20)]
    statuses += [caller.list_(user_id=TEXT).status_code for _ in range(20)]
    assert {429} <= set(statuses) <= {400, 429}


def bson_of(database: Database[Document]) -> bytes:
    """Return the stored bytes of every document of every collection, and the names."""
    raw = CodecOptions(document_class=RawBSONDocument)
    names = database.list_collection_names()
    found = [document.raw for name in names for document in database[name].with_options(raw).find()]
    return b"\n".join([*(name.encode() for name in names), *found])


def values_of(redis: Redis) -> list[str]:
    """Return every key and its content, of any type."""
    read: dict[str, Callable[[str], object]] = {
        "string": redis.get,
        "hash": redis.hgetall,
        "list": lambda name: redis.lrange(name, 0, -1),
        "set": redis.smembers,
        "zset": lambda name: redis.zrange(name, 0, -1, withscores=True),
        "stream": redis.xrange,
        "none": lambda _: "",  # it has expired since the scan
    }
    return [f"{name} {read[redis.type(name)](name)}" for name in redis.scan_iter()]


@pytest.fixture
def planted(live_app: Flask) -> Caller:
    """Yield an account after the marker has been sent in every field."""
    caller = new_caller(live_app)
    plant_in_bodies(caller)
    plant_in_spans(caller)
    plant_in_targets(caller)
    plant_in_headers(caller)
    record_markers(new_caller(live_app, "free", turns=2))
    plant_behind_an_empty_bucket(new_caller(live_app, "free", requests_per_second=1, burst=1))
    caller.record(whole(turn_id=MARKER, user_id="u_kept", relationship_id="rel_kept"))
    return caller


def test_no_store_or_log_contains_text_of_clients(
    live_app: Flask, live_database: Database[Document], live_redis: Redis, planted: Caller
) -> None:
    documents, values = bson_of(live_database), "\n".join(values_of(live_redis))
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    metrics = live_app.test_client().get("/metrics", headers=operator)

    # First check that the search finds stored values.
    assert planted.account.encode() in documents
    assert all(kept.encode() in documents for kept in ("u_kept", "rel_kept", "pers_ada"))
    assert planted.organization.id in values
    assert "rel_kept" in values
    assert metrics.status_code == 200
    assert "turnledger_requests_total" in metrics.text

    assert MARKER.encode() not in documents.lower()
    assert MARKER not in values.lower()
    assert MARKER not in metrics.text.lower()
