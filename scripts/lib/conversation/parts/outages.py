"""Strict limits, and answers of two services while a store is down."""

import json

from scripts.lib.conversation.parts.reservations import completed, reservation
from scripts.lib.conversation.talk import LIST, TURNS, Talk, now_ms, received

STRICT = "strict/admin"


def strict(talk: Talk) -> None:
    """Exceed the limit of an address and the deadline of a body, at the second service."""
    talk.say("GET", "/v1/me", STRICT, service="strict")
    for path in ("/v1/billing/plans", "/v1/nothing", "/docs/errors"):
        talk.say("GET", path, service="strict")
    for path in ("/v1/me", "/metrics", "/openapi.json", "/v1/billing/plans"):
        talk.say("GET", path, service="strict")
    talk.say("POST", LIST, STRICT, body=talk.turn(), service="strict")
    talk.say(
        "POST", f"{LIST}/batch", STRICT, body={"interactions": [talk.turn()]}, service="strict"
    )
    talk.say(
        "POST",
        LIST,
        STRICT,
        raw=b"x" * 300_000,
        headers={"Content-Type": "application/json"},
        service="strict",
    )
    talk.raw(["GET /v1/me HTTP/1.1"], service="strict")
    talk.raw(["get /v1/me HTTP/1.1", "Host: a"], service="strict")
    _slow_body(talk)


def _slow_body(talk: Talk) -> None:
    body = json.dumps(talk.turn()).encode()
    own = f"Authorization: Bearer {talk.keys[STRICT]}"
    head = ["POST /v1/interactions HTTP/1.1", "Host: a", own, "Content-Type: application/json"]
    lines = [*head, f"Content-Length: {len(body)}", "", ""]
    with talk.connect("strict") as connection:
        connection.sendall("\r\n".join(lines).encode() + body[:9])
        # The answer comes at the deadline: its instants are compared with that moment.
        connection.recv(1, 2)  # MSG_PEEK
        at_ms = now_ms()
        label = talk.begin("a body that does not arrive", at_ms)
        talk.keep(label, received(connection, at_ms))


def without_redis(talk: Talk) -> None:
    """Use every route while Redis is down, with the policies allow and deny."""
    for service, key in (("web", "acme/admin"), ("strict", STRICT)):
        talk.say("GET", "/v1/me", key, service=service)
        talk.say("GET", f"{LIST}?limit=2", key, service=service)
        talk.say("GET", f"{LIST}?limit=0", key, service=service)
        turn = talk.stateful("rel_dark")
        for _ in range(2):
            talk.say("POST", LIST, key, body=turn, service=service)
        batch = {"interactions": [turn, talk.turn(), {}]}
        talk.say("POST", f"{LIST}/batch", key, body=batch, service=service)
        reserved = talk.say("POST", TURNS, key, body=reservation("dark-1"), service=service)
        held = str(reserved.json().get("interaction_id", "int_1"))
        body = completed(talk, "dark-1")
        talk.say("PUT", f"{TURNS}/{held}", key, body=body, service=service)
        talk.say("DELETE", f"{TURNS}/{held}", key, service=service)
        talk.say("GET", "/v1/usage/turns", key, service=service)
        talk.say("GET", "/v1/usage/active-relationships", key, service=service)
        talk.say("GET", f"{LIST}/aggregates", key, service=service)
        talk.say("GET", "/v1/api-keys", key, service=service)
        talk.say("POST", "/v1/api-keys", key, body={"scope": "read"}, service=service)
        talk.say("DELETE", "/v1/api-keys/key_1", key, service=service)
        talk.say("GET", "/readyz", service=service)
        talk.say("GET", "/healthz", service=service)


def without_mongodb(talk: Talk) -> None:
    """Use every route while MongoDB is down too."""
    for key in ("acme/admin", "acme/late"):
        talk.say("GET", "/v1/me", key)
        talk.say("GET", LIST, key)
        talk.say("POST", LIST, key, body=talk.turn())
        talk.say("POST", f"{LIST}/batch", key, body={"interactions": [talk.turn()]})
        talk.say("POST", TURNS, key, body=reservation("dark-2"))
        talk.say("GET", f"{LIST}/aggregates", key)
        talk.say("GET", "/v1/usage/turns", key)
        talk.say("GET", "/v1/api-keys", key)
    talk.say("GET", "/v1/billing/plans")
    talk.say("GET", "/readyz")
    talk.say("GET", "/healthz")
