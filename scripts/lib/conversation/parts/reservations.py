"""Reserving, completing and cancelling turns."""

from scripts.lib.conversation.talk import LIST, TURNS, Body, Talk

WRITER = "acme/write"
BATCH = f"{TURNS}/completions"
WRONG_RESERVATIONS: tuple[Body, ...] = (
    {"hold_seconds": 9},
    {"hold_seconds": 3_601},
    {"hold_seconds": "150"},
    {"turn_id": None},
    {"turn_id": "a b"},
    {"mode": "stateful"},
    {"mode": "other"},
    {"personality_id": ""},
    {"status": "completed"},
    {"occurred_at": "2026-11-30T10:00:00.000Z"},
    {"message": "hello"},
)
WRONG_BATCHES: tuple[Body, ...] = (
    {},
    {"completions": []},
    {"completions": [None] * 501},
    {"interactions": []},
)
WRONG_IDS = ("int_01J00000000000000000000000", "int_1", "x", "int_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")


def reservation(turn_id: str, relationship: str | None = None, **more: object) -> Body:
    """Return the body of a reservation."""
    least: Body = {"turn_id": turn_id, "mode": "stateless", "personality_id": "pers_ada"}
    if relationship:
        least |= {"mode": "stateful", "user_id": "u_1", "relationship_id": relationship}
    return least | more


def completed(talk: Talk, turn_id: str, relationship: str | None = None, **more: object) -> Body:
    """Return the body of a completion."""
    body = talk.stateful(relationship) if relationship else talk.turn()
    del body["occurred_at"]
    return body | {"turn_id": turn_id} | more


def reserve(talk: Talk, key: str, body: Body) -> str:
    """Reserve a turn; return its id, or an id of no turn if that was refused."""
    answer = talk.say("POST", TURNS, key, body=body)
    return str(answer.json().get("interaction_id", WRONG_IDS[0]))


def reservations(talk: Talk) -> None:
    """Reserve, complete and cancel in every order."""
    first = reserve(talk, WRITER, reservation("held-1"))
    reserve(talk, WRITER, reservation("held-1"))
    reserve(talk, WRITER, reservation("held-1", "rel_9"))
    talk.say("PUT", f"{TURNS}/{first}", WRITER, body=completed(talk, "held-2"))
    whole = completed(talk, "held-1")
    for _ in range(2):
        talk.say("PUT", f"{TURNS}/{first}", WRITER, body=whole)
    talk.say("PUT", f"{TURNS}/{first}", WRITER, body=whole | {"latency_ms": 9})
    talk.say("DELETE", f"{TURNS}/{first}", WRITER)
    talk.say("POST", TURNS, WRITER, body=reservation("held-1"))
    talk.say("GET", f"{LIST}/{first}", WRITER)
    _batches(talk, whole | {"interaction_id": first})
    _cancelling(talk)
    _mistakes(talk)
    reserve(talk, WRITER, reservation("open-1", "rel_open", hold_seconds=3_600))
    reserve(talk, WRITER, reservation("open-2", hold_seconds=600))


def _batches(talk: Talk, recorded: Body) -> None:
    held = reserve(talk, WRITER, reservation("held-6"))
    good = completed(talk, "held-6") | {"interaction_id": held}
    bad = [recorded | {"latency_ms": 9}, good | {"turn_id": "held-2"}, {"message": "hello"}, None]
    for _ in range(2):
        talk.say("POST", BATCH, WRITER, body={"completions": [recorded, good, *bad]})
    talk.say("POST", BATCH, "acme/read", body={"completions": [good]})
    for body in WRONG_BATCHES:
        talk.say("POST", BATCH, WRITER, body=body)


def _cancelling(talk: Talk) -> None:
    held = reserve(talk, WRITER, reservation("held-3", "rel_held", hold_seconds=600))
    for key in ("other/admin", "acme/test"):
        talk.say("DELETE", f"{TURNS}/{held}", key)
        talk.say("PUT", f"{TURNS}/{held}", key, body=completed(talk, "held-3", "rel_held"))
    talk.say("DELETE", f"{TURNS}/{held}?x=1", WRITER)
    for _ in range(2):
        talk.say("DELETE", f"{TURNS}/{held}", WRITER)
    talk.say("PUT", f"{TURNS}/{held}", WRITER, body=completed(talk, "held-3", "rel_held"))
    talk.say("POST", TURNS, WRITER, body=reservation("held-3", "rel_held"))
    recorded = talk.turn()
    talk.say("POST", LIST, WRITER, body=recorded)
    talk.say("POST", TURNS, WRITER, body=reservation(recorded["turn_id"]))
    beside = reserve(talk, WRITER, reservation("held-4"))
    talk.say("POST", LIST, WRITER, body=talk.turn(turn_id="held-4"))
    talk.say("PUT", f"{TURNS}/{beside}", WRITER, body=completed(talk, "held-4"))
    dear = reserve(talk, WRITER, reservation("held-5", "rel_held"))
    body = completed(talk, "held-5", "rel_more", usage={"turns_consumed": 5})
    talk.say("PUT", f"{TURNS}/{dear}", WRITER, body=body)


def _mistakes(talk: Talk) -> None:
    for change in WRONG_RESERVATIONS:
        talk.say("POST", TURNS, WRITER, body=reservation("held-9") | change)
    for wrong in WRONG_IDS:
        talk.say("PUT", f"{TURNS}/{wrong}", WRITER, body=completed(talk, "held-9"))
        talk.say("DELETE", f"{TURNS}/{wrong}", WRITER)
    held = reserve(talk, WRITER, reservation("held-8", hold_seconds=600))
    for change in ({"occurred_at": talk.instant(5)}, {"latency_ms": -1}, {"message": "hello"}):
        body = completed(talk, "held-8") | change
        talk.say("PUT", f"{TURNS}/{held}", WRITER, body=body)
    as_json = {"Content-Type": "application/json"}
    for path in (TURNS, f"{TURNS}/{held}"):
        method = "POST" if path == TURNS else "PUT"
        talk.say(method, path, WRITER, raw=b"[1]", headers=as_json)
        talk.say(method, path, WRITER, raw=b"{}", headers={"Content-Type": "text/plain"})
        talk.say(method, path, WRITER, raw=b"x" * 300_000, headers=as_json)
    talk.say("DELETE", f"{TURNS}/{held}", WRITER)


def short_holds(talk: Talk) -> dict[str, str]:
    """Reserve two turns for ten seconds; return their ids."""
    asks = {
        name: reservation(name, f"rel_{name}", hold_seconds=10) for name in ("late-1", "late-2")
    }
    return {name: reserve(talk, WRITER, ask) for name, ask in asks.items()}


def expired(talk: Talk, short: dict[str, str]) -> None:
    """Complete and cancel holds of ten seconds after their end."""
    body = completed(talk, "late-1", "rel_late-1")
    for _ in range(2):
        talk.say("PUT", f"{TURNS}/{short['late-1']}", WRITER, body=body)
    talk.say("DELETE", f"{TURNS}/{short['late-2']}", WRITER)
    talk.say("GET", "/v1/usage/turns", WRITER)
