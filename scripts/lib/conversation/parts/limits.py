"""Limits: quota, buckets, open reservations and requests in flight."""

import json
from contextlib import ExitStack
from socket import socket

from scripts.lib.conversation.parts.reservations import completed, reservation, reserve
from scripts.lib.conversation.talk import LIST, TURNS, Body, Talk, now_ms, received

BATCH = f"{LIST}/batch"
WRITER = "acme/write"
# An organization may have as many open for each token of its burst.
OPEN_FOR_EACH_TOKEN = 150


def quota(talk: Talk) -> None:
    """Exhaust a quota of six turns and two relationships; then one that allows overage."""
    small = "small/admin"
    for relationship in ("rel_1", "rel_2", "rel_3", "rel_1"):
        talk.say("POST", LIST, small, body=talk.stateful(relationship))
    last = reserve(talk, small, reservation("small-1", hold_seconds=600))
    talk.say("POST", TURNS, small, body=reservation("small-2", "rel_4"))
    turns = [*(talk.turn() for _ in range(4)), talk.stateful("rel_5")]
    body: Body = {"interactions": turns}
    talk.say("POST", BATCH, small, body=body)
    again = talk.turn()
    for _ in range(2):
        talk.say("POST", LIST, small, body=again)
    talk.say("POST", LIST, small, body=body["interactions"][0])
    talk.say("POST", LIST, small, body=talk.turn(status="failed"))
    talk.say("POST", TURNS, small, body=reservation("small-3"))
    talk.say("GET", LIST, small)
    talk.say("GET", "/v1/usage/turns", small)
    dear = completed(talk, "small-1", usage={"turns_consumed": 3})
    talk.say("PUT", f"{TURNS}/{last}", small, body=dear)
    talk.say("POST", TURNS, small, body=reservation("small-3"))
    talk.say("GET", "/v1/usage/active-relationships", small)
    for _ in range(4):
        talk.say("POST", LIST, "open/admin", body=talk.stateful("rel_1"))
    talk.say("POST", TURNS, "open/admin", body=reservation("open-1", "rel_2"))


def buckets(talk: Talk) -> None:
    """Empty a bucket of ten tokens with one batch and meet its 429."""
    slow = "slow/admin"
    body: Body = {"interactions": [{}] * 500}
    talk.say("POST", BATCH, slow, body=body)
    talk.say("POST", BATCH, slow, body=body)


def open_reservations(talk: Talk) -> None:
    """Reserve as many turns as may be open at once, then one more."""
    for number in range(OPEN_FOR_EACH_TOKEN + 1):
        talk.say(
            "POST", TURNS, "crowd/admin", body=reservation(f"crowd-{number}", hold_seconds=3_600)
        )
    talk.say("GET", "/v1/usage/turns", "crowd/admin")


def in_flight(talk: Talk) -> None:
    """Occupy half of the threads with incomplete bodies; send one more request."""
    body = json.dumps({"interactions": [talk.turn()]}).encode()
    single = json.dumps(talk.turn()).encode()
    with ExitStack() as stack:
        first = stack.enter_context(_begun(talk, BATCH, len(body)))
        talk.say("GET", "/v1/me", "other/admin")
        talk.say("POST", BATCH, WRITER, body={"interactions": [talk.turn()]})
        second = stack.enter_context(_begun(talk, LIST, len(single)))
        talk.say("GET", "/v1/me", "other/admin")
        talk.say("GET", "/v1/me", WRITER)
        talk.say("POST", LIST, WRITER, body=talk.turn())
        for connection, rest in ((first, body), (second, single)):
            talk.wait_until_full(WRITER)
            at_ms = now_ms()
            label = talk.begin("the rest of a body that was begun", at_ms, rest.decode())
            connection.sendall(rest)
            talk.keep(label, received(connection, at_ms), WRITER)


def _begun(talk: Talk, path: str, length: int) -> socket:
    """Send the headers of a recording whose body does not come yet; wait until they are read."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: a",
        f"Authorization: Bearer {talk.keys[WRITER]}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Connection: close",
        "Expect: 100-continue",
        "",
        "",
    ]
    connection = talk.connect()
    connection.sendall("\r\n".join(head).encode())
    # The server sends 100 Continue when the application reads the body, after admission.
    connection.recv(25)
    return connection
