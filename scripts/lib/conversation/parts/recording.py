"""Recording turns, one at a time and in batches."""

import gzip
import json
from typing import Any

from scripts.lib.conversation.talk import LIST, Body, Talk

BATCH = f"{LIST}/batch"
WRITER = "acme/write"
# Each of these changes makes a recording invalid.
WRONG_FIELDS: tuple[Body, ...] = (
    {"turn_id": ""},
    {"turn_id": "white space"},
    {"turn_id": "x" * 129},
    {"turn_id": None},
    {"turn_id": 7},
    {"occurred_at": "2026-11-30"},
    {"occurred_at": "2026-11-30T10:00:00"},
    {"occurred_at": "yesterday"},
    {"occurred_at": "2026-13-01T00:00:00Z"},
    {"occurred_at": "2020-01-01T00:00:00.000Z"},
    {"occurred_at": "2096-01-01T00:00:00.000Z"},
    {"mode": "dreaming"},
    {"mode": "stateful"},
    {"mode": "stateful", "user_id": "u_1"},
    {"status": "great"},
    {"personality_id": "a b"},
    {"latency_ms": -1},
    {"latency_ms": 86_400_001},
    {"latency_ms": "5"},
    {"latency_ms": 1.5},
    {"latency_ms": True},
    {"time_to_first_token_ms": -1},
    {"error_code": "Not Found"},
    {"message": "hello"},
    {"text": "hello", "reply": "there"},
    {"usage": {"turns_consumed": 1_001}},
    {"usage": {"turns_consumed": -1, "tokens": 1}},
    {"usage": []},
    {"usage": None},
    {"memory": {}},
    {"memory": {"consulted": "yes", "note": "hello"}},
    {"guardrails": {"applied": ["a"] * 11}},
    {"guardrails": {"applied": "tone"}},
    {"inferred_emotional_state": {"primary": "JOY", "confidence": 2, "valence": -2}},
    {"inferred_emotional_state": {"secondary": ["a b", 3]}},
    {"active_relationship_counted": True},
    {"user_id": "u" * 120, "relationship_id": "r" * 120},
    {f"unknown_{number}": 1 for number in range(60)},
)
WHOLE: Body = {
    "inferred_emotional_state": {
        "primary": "joy",
        "confidence": 0.82,
        "secondary": ["trust"],
        "intensity": "medium",
        "valence": 0.4,
        "arousal": 0.3,
    },
    "memory": {
        "consulted": True,
        "summary_used": "sum_3",
        "significant_moments_referenced": 2,
        "model_updated": False,
    },
    "guardrails": {"applied": ["tone_softened"]},
    "usage": {
        "turns_consumed": 2,
        "llm_provider": "openai",
        "llm_model": "gpt-4o",
        "input_tokens": 374,
        "output_tokens": 44,
    },
    "time_to_first_token_ms": 310,
    "error_code": "late_answer",
}


def recording(talk: Talk) -> None:
    """Record turns of every kind, repeat them, change their content, and send invalid ones."""
    first = talk.turn()
    for _ in range(2):
        talk.say("POST", LIST, WRITER, body=first)
    for change in ({"latency_ms": 1}, {"occurred_at": talk.instant(1_000)}, {"status": "failed"}):
        talk.say("POST", LIST, WRITER, body=first | change)
    talk.say("POST", LIST, "acme/test", body=first)
    talk.say("POST", LIST, "other/admin", body=first)
    whole = talk.stateful(**WHOLE)
    talk.say("POST", LIST, WRITER, body=whole)
    talk.say("POST", LIST, WRITER, body=whole)
    for status in ("completed", "guardrail_blocked", "failed", "timed_out"):
        talk.say("POST", LIST, WRITER, body=talk.stateful("rel_2", status=status))
    talk.say("POST", LIST, WRITER, body=talk.stateful("r" * 100, "u_2"))
    talk.say("POST", LIST, WRITER, body=talk.turn(ago_s=40 * 3_600))
    talk.say("POST", LIST, WRITER, body=talk.turn(ago_s=-30))
    talk.say("POST", LIST, WRITER, body=talk.turn(usage={"turns_consumed": 0}))
    cut = talk.instant(2_000).replace("Z", "987+02:00")
    talk.say("POST", LIST, WRITER, body=talk.turn() | {"occurred_at": cut})
    for change in WRONG_FIELDS:
        talk.say("POST", LIST, WRITER, body=talk.turn(**change))
    talk.say("POST", f"{LIST}?dry=1", WRITER, body=talk.turn())
    _bodies(talk)


def _bodies(talk: Talk) -> None:
    """Send bodies that are no JSON object, too large, or in another coding."""
    as_json = {"Content-Type": "application/json"}
    good = json.dumps(talk.turn()).encode()
    raws = (b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"a":1,"a":2}', b"NaN", b"[" * 500)
    for raw in (*raws, good[:-1] + b', "turn_id": "twice"}', b'{"latency_ms": 1e999}'):
        talk.say("POST", LIST, WRITER, raw=raw, headers=as_json)
    for kind in ("text/plain", "application/xml", "application/json; charset=utf-8", ""):
        talk.say("POST", LIST, WRITER, raw=good, headers={"Content-Type": kind})
    for coding in ("br", "gzip, gzip", "identity", "GZIP"):
        headers = as_json | {"Content-Encoding": coding}
        talk.say("POST", LIST, WRITER, raw=good, headers=headers)
    zipped = as_json | {"Content-Encoding": "gzip"}
    packed = gzip.compress(json.dumps(talk.turn()).encode(), mtime=0)
    bomb = gzip.compress(b" " * 3_000_000, mtime=0)
    for raw in (packed, packed[:-9], b"\x1f\x8b" + b"x" * 30, bomb, packed * 20):
        talk.say("POST", LIST, WRITER, raw=raw, headers=zipped)
    large = b'{"turn_id": "' + b"x" * (256 * 1024) + b'"}'
    talk.say("POST", LIST, WRITER, raw=large, headers=as_json)
    talk.say("POST", LIST, WRITER, raw=large, headers=as_json | {"Expect": "100-continue"})
    _chunked(talk, large)
    _chunked(talk, json.dumps(talk.turn()).encode())


def _chunked(talk: Talk, body: bytes) -> None:
    own = f"Authorization: Bearer {talk.keys[WRITER]}"
    head = ["POST /v1/interactions HTTP/1.1", "Host: a", own, "Content-Type: application/json"]
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    talk.raw([*head, "Transfer-Encoding: chunked"], chunk, key=WRITER)


def batches(talk: Talk) -> None:
    """Record batches: valid, mixed, empty, too long, and repeated."""
    good: list[Any] = [talk.turn(), talk.stateful("rel_3"), talk.turn(status="failed")]
    wrong: list[Any] = [talk.turn(**change) for change in WRONG_FIELDS[:12]]
    mixed = [*good, *wrong, 7, None, "text", [], {}, good[0], good[0] | {"latency_ms": 3}]
    for body in ({"interactions": good}, {"interactions": good}, {"interactions": mixed}):
        talk.say("POST", BATCH, WRITER, body=body)
    odd: tuple[object, ...] = ([], [{}] * 501, "x", None, {})
    for interactions in odd:
        talk.say("POST", BATCH, WRITER, body={"interactions": interactions})
    talk.say("POST", BATCH, WRITER, body={})
    talk.say("POST", BATCH, WRITER, body={"interactions": good, "more": 1})
    talk.say("POST", BATCH, WRITER, body=[talk.turn()])
    talk.say("POST", BATCH, WRITER, body={"interactions": [{"a": 1, "b": 2, "c": 3}] * 500})
    many = [talk.stateful(f"rel_{number % 30}", ago_s=5_000 + number) for number in range(500)]
    talk.say("POST", BATCH, WRITER, body={"interactions": many})
    talk.say("POST", BATCH, WRITER, body={"interactions": many})
    talk.say(
        "POST",
        BATCH,
        WRITER,
        raw=b"x" * (1024 * 1024 + 1),
        headers={"Content-Type": "application/json"},
    )
    talk.say(
        "POST", BATCH, WRITER, raw=b'{"interactions"', headers={"Content-Type": "application/json"}
    )
